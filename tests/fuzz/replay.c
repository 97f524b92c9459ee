/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay FOLDER: does a fuzz target survive its seeds? Runs every file of the folder; those of up
 * to 1 KiB, and the smallest one (up to 64 KiB), cut short at every byte, too. A folder without a
 * seed is a failure. Each input is given in memory of exactly its size, so that a sanitizer sees
 * one byte too many.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL_CUT = 1024, LONGEST_CUT = 65536 };

struct seed {
    uint8_t *data;
    size_t size;
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

static size_t run_cuts(const struct seed *seed, size_t longest)
{
    const size_t cuts = seed->size <= longest ? seed->size : 0;
    for (size_t size = 0; size < cuts; size++) run(seed->data, size);
    return cuts;
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

static int replay_folder(const char *folder, struct seed *least, size_t *cuts)
{
    DIR *dir = opendir(folder);
    if (!dir) return 0;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct seed seed;
        if (entry->d_name[0] == '.' || read_seed(folder, entry->d_name, &seed) != 0) continue;
        run(seed.data, seed.size);
        *cuts += run_cuts(&seed, ALL_CUT);
        keep_smaller(least, &seed);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    struct seed least = {0};
    size_t cuts = 0;
    if (argc != 2) return 2;
    int count = replay_folder(argv[1], &least, &cuts);
    if (count == 0) {
        fprintf(stderr, "%s: no seed\n", argv[1]);
        return 1;
    }
    if (least.size > ALL_CUT) cuts += run_cuts(&least, LONGEST_CUT);
    printf("%d seeds, %zu cuts\n", count, cuts);
    free(least.data);
    return 0;
}
