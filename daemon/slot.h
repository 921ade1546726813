/* SPDX-License-Identifier: MIT */
// A model in service, from the inside: who holds it, its idle sessions, its counter. The shelf
// makes these; requests see struct served.
//
//     file -> struct build (model and idle sessions) -> struct served (a build under a name and a
//     generation)
//
// One build may be served under several generations, as each activation makes a new one. All three
// are counted and freed by the last holder, from whatever thread that is.
#ifndef SLOT_H
#define SLOT_H

#include "daemon/shelf.h"

// What a name has answered, by whatever served under it.
struct tally;
struct tally *tally_open(void); // held once; NULL: no memory
struct stats_model *tally_stats(const struct tally *tally);
void tally_release(struct tally *tally); // NULL is fine

struct build;

// Opens the file, runs its self-test, opens a first session and runs it once, so that the first
// request finds all memory in place. Held once.
// NULL: what tnm_model_open_within, tnm_model_self_test or tnm_session_open say.
struct build *build_open(const char *path, const struct tnm_limits *limits,
                         struct tnm_error *err) TNM_MUST_CHECK;
void build_hold(struct build *build);
void build_release(struct build *build); // NULL is fine
const struct tnm_model *build_model(const struct build *build);

// A build under name and generation. Held once by the caller; takes its own hold of build and
// tally. NULL: TNM_ENOMEM.
struct served *slot_open(struct build *build, struct tally *tally, const char *name,
                         uint64_t generation, struct tnm_error *err) TNM_MUST_CHECK;

// One more holder. Only for who can be sure that another holds it meanwhile.
void slot_hold(struct served *served);

struct build *slot_build(const struct served *served); // borrowed

#endif
