/* SPDX-License-Identifier: MIT */
// Labelled pictures to train on and to measure with. A folder holds either
//
//     idx files    ...train-images-idx3-ubyte, ...train-labels-idx1-ubyte, and the same with t10k
//                  or test for train; gzip'd (.gz) or not (LeCun's MNIST page has the format)
//     pictures     train/CLASS/*.jpg|png|pgm|ppm and test/CLASS/*, or CLASS/* alone: one level,
//                  then all of it is for training, or where only a test set is wanted, all of it
//                  is that
//
// Of the training images 5,000 (or a tenth, if that is less) are held out as validation set, the
// same ones on every machine whatever the seed of a run. What is chosen is chosen on them; the test
// set only reports.
#ifndef DATA_H
#define DATA_H

#include "core/idx.h"

enum {
    DATA_MAX_SIDE = IDX_MAX_SIDE,
    DATA_MAX_CLASSES = 65535,
    DATA_HELD_OUT = 5000,
};
#define DATA_MAX_BYTES ((uint64_t)1 << 32) // pixels of one set

enum data_split { DATA_TRAIN, DATA_VALIDATION, DATA_TEST };

// Images as 8-bit pixels in the form of a network's input, (channels, height, width) each.
struct data_set {
    uint32_t n;
    uint8_t *pixel;  // (n, inputs), owned
    uint16_t *label; // (n), each below n_classes, owned
};

struct dataset {
    char name[64];            // "mnist": the last part of the folder's path
    struct tnm_recipe recipe; // of the inputs; their size and how they were made of pictures
    uint32_t inputs;          // width * height * channels
    uint32_t n_classes;       // largest label + 1, or the number of class folders
    char **class_name;        // (n_classes), owned: "0", "1", ..., or the folders' names
    bool numbered;            // idx files: the classes have no names but their numbers
    struct data_set set[3];   // by enum data_split; n = 0 where absent or not wanted
};

// Reads the sets that are wanted: with train false only the test set, with test false only
// training and validation. At least one image of what is wanted must be there, but for the test
// set beside a training set.
//   recipe   how pictures become inputs; idx images must have its size already. Width 0: the idx
//            files' own size, or 28x28 grey for pictures. NULL: that, with fit = ink
// TNM_EIO (file or folder missing), TNM_EFORMAT (damaged: the text names file, value and what was
// allowed), TNM_ELIMIT, TNM_EINPUT (size is not the recipe's), TNM_ENOMEM.
bool dataset_open(struct dataset *data, const char *dir, const struct tnm_recipe *recipe,
                  bool train, bool test, struct tnm_error *err) TNM_MUST_CHECK;

// Names the classes in their order, "cat,dog". TNM_EINPUT where those are not n_classes names, each
// another one.
bool dataset_name(struct dataset *data, const char *names, struct tnm_error *err) TNM_MUST_CHECK;

// Renumbers the classes so that class i is label[i] (n), the order that a network was trained with.
// Numbered classes take the labels in order where none of these is such a number. TNM_EINPUT where
// the data has a class with images that is not among them. n == 0 changes nothing but checks that
// there are at most outputs classes.
bool dataset_match(struct dataset *data, char *const *label, uint32_t n, uint32_t outputs,
                   struct tnm_error *err) TNM_MUST_CHECK;

void dataset_close(struct dataset *data);

// "train", "validation", "test"; and back, false for any other word.
const char *data_split_name(enum data_split split);
bool data_split_parse(const char *word, enum data_split *split);

// A recipe whose inputs are pixels as they are (mean 0, deviation 1). For ink the mark's longer
// side is 20 of 28 pixels, as in MNIST.
struct tnm_recipe data_recipe(uint32_t width, uint32_t height, uint32_t channels, enum tnm_fit fit);

// ---- The two readers behind it -----------------------------------------------------------------

// One pair of idx files, plain or gz: images (n, height, width), labels (n). *n_classes is raised
// to the largest label + 1.
bool idx_read(struct data_set *set, const char *images, const char *labels, uint32_t *width,
              uint32_t *height, uint32_t *n_classes, struct tnm_error *err) TNM_MUST_CHECK;

// A folder of class folders. Classes are those of data, in sorted order, and are added first where
// it has none yet; files are read in sorted order. set == NULL: only the classes.
bool folder_read(struct data_set *set, struct dataset *data, const char *dir,
                 struct tnm_error *err) TNM_MUST_CHECK;

#endif
