/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay FOLDER: does a fuzz target survive its seeds? Runs every file of the folder, and the
 * smallest one (up to 64 KiB) cut short at every byte. A folder without a seed is a failure. Each
 * input is given in memory of exactly its size, so that a sanitizer sees one byte too many.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST_CUT = 65536 };

struct seed {
    uint8_t *data;
    size_t size;
    char name[256];
};

static int read_seed(const char *folder, const char *name, struct seed *seed)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    rewind(f);
    seed->size = size < 0 ? 0 : (size_t)size;
    seed->data = malloc(seed->size ? seed->size : 1);
    snprintf(seed->name, sizeof seed->name, "%s", name);
    int code =
        size >= 0 && seed->data && fread(seed->data, 1, seed->size, f) == seed->size ? 0 : -1;
    fclose(f);
    if (code != 0) free(seed->data);
    return code;
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size);
    if (size > 0 && !exact) exit(2);
    if (size > 0) memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void keep_smaller(struct seed *least, struct seed *seed)
{
    if (!least->data || seed->size < least->size) {
        struct seed other = *least;
        *least = *seed;
        *seed = other;
    }
    free(seed->data);
}

static int replay_folder(const char *folder, struct seed *least)
{
    DIR *dir = opendir(folder);
    if (!dir) return 0;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct seed seed;
        if (entry->d_name[0] == '.' || read_seed(folder, entry->d_name, &seed) != 0) continue;
        run(seed.data, seed.size);
        keep_smaller(least, &seed);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    struct seed least = {0};
    if (argc != 2) return 2;
    int count = replay_folder(argv[1], &least);
    if (count == 0) {
        fprintf(stderr, "%s: no seed\n", argv[1]);
        return 1;
    }
    size_t cuts = least.size < LONGEST_CUT ? least.size : 0;
    for (size_t size = 0; size < cuts; size++) run(least.data, size);
    printf("%d seeds, %zu cuts of %s\n", count, cuts, least.name);
    free(least.data);
    return 0;
}
