/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which settings does a user keep in files? INI: a section for each verb, keys are its long flags;
 * keys above the first section are for every verb that has the flag.
 *
 *     threads = 2
 *     [train]
 *     epochs = 90        # a comment
 *
 * The site's file ($XDG_CONFIG_DIRS/xception/config, /etc/xdg by default), the user's
 * ($XDG_CONFIG_HOME/xception/config, ~/.config by default), then the one of --config. A flag that
 * may be given again may stand in several lines. A switch is on with yes, true, on or 1.
 */
#ifndef TOOL_CONFIG_H
#define TOOL_CONFIG_H

#include "options.h"

/* Settings of args->verb. named: the file of --config, NULL for none; it must exist, the others
 * need not. False: the sentence is on stderr already, exit with 2. */
bool config_read(struct args *args, const char *named);

/* The files, least important first: for each i = 0, 1, ... its path and whether it is there. False
 * past the last. */
bool config_file(int i, const char *named, char *path, size_t size, enum option_source *source);

#endif
