/* SPDX-License-Identifier: Apache-2.0 */
/* What do the control groups of this process allow? */
#include "thread/cgroup.h"

#include <stdio.h>
#include <string.h>

enum { PATH_ROOM = 4096 };

static bool read_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool got = fgets(line, size, f) != NULL;
    fclose(f);
    return got;
}

bool cgroup_line(const char *folder, const char *name, char *line, int size)
{
    char path[PATH_ROOM + 64];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && length < (int)sizeof path && read_line(path, line, size);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a == 0 || (b > 0 && b < a) ? b : a;
}

/* From mount/group up to the mount itself. The group may not exist below the mount (a container
 * sees its host's path): then only the parents that do exist count. */
static int64_t least_of_parents(const char *mount, const char *group, cgroup_fn *allowed)
{
    char folder[PATH_ROOM];
    int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (length < 0 || length >= (int)sizeof folder) return 0;
    size_t mount_length = strlen(mount);
    int64_t least = 0;
    for (;;) {
        least = smaller(least, allowed(folder));
        char *slash = strrchr(folder + mount_length, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

/* Is it one of the words of "cpu,cpuacct"? */
static bool names(const char *list, const char *controller)
{
    for (const char *word = list; word; word = strchr(word, ',')) {
        word += *word == ',';
        size_t length = strcspn(word, ",");
        if (length == strlen(controller) && memcmp(word, controller, length) == 0) return true;
    }
    return false;
}

/* One line of /proc/self/cgroup, "id:controllers:group". */
static int64_t least_of_line(const char *root, char *line, const char *controller, cgroup_fn *v2,
                             cgroup_fn *v1)
{
    char mount[PATH_ROOM];
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return 0;
    *group++ = '\0';
    controllers++;
    const bool second = *controllers == '\0';
    if (!second && !names(controllers, controller)) return 0;
    const char *folder = second ? "" : "/";
    int length = snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root, folder, controllers);
    if (length < 0 || length >= (int)sizeof mount) return 0;
    return least_of_parents(mount, group, second ? v2 : v1);
}

int64_t cgroup_least(const char *root, const char *controller, cgroup_fn *v2, cgroup_fn *v1)
{
    char path[PATH_ROOM], line[PATH_ROOM];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    int64_t least = 0;
    while (fgets(line, sizeof line, f))
        least = smaller(least, least_of_line(root, line, controller, v2, v1));
    fclose(f);
    return least;
}
