/* SPDX-License-Identifier: MIT */
// The endpoints as one table. A handler is a plain function of a request and a reply; it knows
// neither sockets nor the HTTP library.
#ifndef ROUTES_H
#define ROUTES_H

#include "daemon/access.h"
#include "daemon/budget.h"
#include "daemon/options.h"
#include "daemon/pace.h"
#include "daemon/reply.h"
#include "daemon/shelf.h"

// What all handlers share.
struct api {
    const struct options *options;
    struct shelf *shelf;
    struct access *access;
    struct stats *stats;
    struct observer *observer; // observe.h; may be NULL
    struct budget bodies;      // memory for long bodies of all requests
    struct budget decoding;    // memory for decoding
    struct budget uploads;     // bytes on the disk for uploads on their way
    atomic_uint connections;   // accepted and not yet closed
    atomic_bool draining;
    atomic_uint in_work; // requests that the queue admitted, until they are answered
    uint32_t id_prefix;  // of the requests' ids
    atomic_uint id_count;
    struct pace cascade_pace, compare_pace;
};

// Memory of one connection that handlers may write over; it grows and stays.
struct scratch {
    void *at;
    size_t size;
};

// How a request is taken.
enum intake {
    INTAKE_QUEUED,  // its body up to max-body, in memory; 503 when the daemon is full
    INTAKE_ALWAYS,  // the same, but answered even then
    INTAKE_SPOOLED, // its body up to max-model, in a file of the folder of uploads: request->spool
};

struct route {
    const char *method; // GET answers HEAD too
    const char *path;   // {name} stands for one segment
    void (*handle)(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply);
    // Whether handling it takes long: it then runs on a worker, and nothing waits behind it.
    // NULL: never.
    bool (*is_slow)(const struct api *api, const struct request *request);
    enum scope scope;
    enum intake intake;
};

// Finds what answers request->method and path, and sets request->name. NULL where reply is there
// already: 404, 405 with Allow, or what a browser's preflight is told.
const struct route *routes_find(struct api *api, struct request *request, struct reply *reply);

// A row of the table, from 1 on; NULL: there are no more.
const struct route *routes_row(unsigned row);

// The path of a row, as the table has it; NULL: there are no more. request->row is the
// first of those that have the same path.
const char *routes_path(unsigned row);

// Room for so many bytes, aligned for anything. NULL without memory.
void *scratch_take(struct scratch *scratch, size_t bytes);
void scratch_free(struct scratch *scratch);

#endif
