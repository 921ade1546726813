/* SPDX-License-Identifier: MIT */
// A network in the forge: the graph of core, with every weight matrix spread out so that it can be
// trained, pruned and shared. One struct serves all steps; a file is read into it and written from
// it.
#ifndef NET_H
#define NET_H

#include "core/graph.h"
#include "core/meta.h"

enum {
    NET_MAX_NAME = TNM_MAX_NAME + 5 // bytes of a layer's name with the 0 at its end
};

// What goes together when a layer is pruned: single weights, four columns 4k to 4k + 3 of a row, or
// four rows 4k to 4k + 3 of a column; fewer at the end of a row or column that 4 does not divide.
enum net_block { NET_SINGLE, NET_1X4, NET_4X1 };

// One weight matrix of a node. A weight is alive where keep is 1; elsewhere w is 0 and stays 0.
struct net_layer {
    uint32_t node;           // index in graph.node; the matrix there is empty while the net is open
    uint32_t matrix;         // which of that node's: 0, or 1 for what an lstm keeps from row to row
    char name[NET_MAX_NAME]; // that node's; of an lstm with ".in" or ".rec" behind it
    uint32_t rows, cols;     // outputs, inputs
    float *w;                // (rows, cols), owned
    float *bias;             // (rows), owned; all 0 where there is none: matrix 1
    uint8_t *keep;           // (rows, cols), owned
    enum net_block block;    // for pruning to come; not in a file, where it shows by itself
    uint32_t bits;           // 0: not shared; 1..8: w[i] == codebook[code[i]] wherever keep[i]
    uint32_t n_centroids;    // 0 or 1..2^bits
    float *codebook;         // (n_centroids), owned
    uint8_t *code;           // (rows, cols), owned; NULL while not shared
};

struct net {
    struct tnm_graph graph; // topology; matrices hold only rows and cols
    struct tnm_meta meta;
    uint32_t n_layers;
    struct net_layer *layer; // (n_layers), in the order of their nodes, owned
    bool half;               // dense layers are written as f16
};

// Builds an untrained network for inputs of recipe's size, from a description as models/arch.h has
// it: "784-300-100-10", "lenet5", "conv 8 3x3 relu pool fc 10". Weights are 0; net_initialise draws
// them.
bool net_build(struct net *net, const char *arch, const struct tnm_recipe *recipe,
               struct tnm_error *err) TNM_MUST_CHECK;

// He normal weights (He et al. 2015, eq. 10), biases 0, everything kept. An lstm has half the
// variance, and a bias of 1 at its forget gate.
void net_initialise(struct net *net, uint64_t seed);

// Reads a file; *digest, if not NULL, gets the file's SHA-256 for the next step's parent.
bool net_open(struct net *net, const char *path, uint8_t digest[TNM_DIGEST_BYTES],
              struct tnm_error *err) TNM_MUST_CHECK;

// Writes a file, each layer in the encoding it has come to: csr-codebook where it is shared, csr
// where something was pruned, dense elsewhere. Makes the self-test: runs inputs (n, inputs) pixels
// through the saved network itself; n may be 0. Inputs may be those of the network's present
// self-test. meta keeps the new one.
bool net_save(struct net *net, const char *path, const uint8_t *inputs, uint32_t n,
              struct tnm_error *err) TNM_MUST_CHECK;

// The network as its file would open, without self-test: to measure it by the engine before it is
// saved. To be closed by the caller; NULL on failure.
struct tnm_model *net_model(const struct net *net, struct tnm_error *err) TNM_MUST_CHECK;

void net_free(struct net *net);

uint64_t net_weights(const struct net *net);
uint64_t net_nonzeros(const struct net *net);

#endif
