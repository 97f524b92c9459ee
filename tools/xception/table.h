/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the records of a CSV file? Fields in quotes may hold commas, new lines and doubled
 * quotes, as in a data list; empty lines are none. Sentences are said, codes are those of exits.
 */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include <stdio.h>

struct table {
    FILE *file;
    const char *path;
    char *text; /* of a record, cut up into fields */
    size_t size, room;
    size_t number, lines; /* its line; lines that were read */
    char **field;
    size_t fields, field_room;
};

int table_open(struct table *t, const char *path); /* at its first record */
int table_start(struct table *t);                  /* there once more */
/* Into t->field; no fields: there is none any more. */
int table_next(struct table *t);
void table_free(struct table *t);
/* Say what is wrong with the record, or that memory is short. */
int table_bad(const struct table *t, const char *what);
int table_no_memory(const struct table *t);

#endif
