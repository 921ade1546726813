/* SPDX-License-Identifier: MIT */
// Documents that the program holds compressed: the page, and the description of the interface.
#ifndef EMBEDDED_H
#define EMBEDDED_H

#include "daemon/reply.h"

// The name_begin and name_end of a gzip file that the assembler finds in the build folder.
#define EMBED(name, file)                                                                          \
    __asm__(".section .rodata\n" #name "_begin:\n.incbin \"" file "\"\n" #name                     \
            "_end:\n.previous\n");                                                                 \
    extern const uint8_t name##_begin[] __attribute__((visibility("hidden")));                     \
    extern const uint8_t name##_end[] __attribute__((visibility("hidden")))

// Makes it the body: as it is for a client that takes gzip, else unpacked. The reply should say
// Vary: Accept-Encoding.
void embedded_send(struct reply *reply, const struct request *request, const uint8_t *begin,
                   const uint8_t *end);

// For the table of routes: unpacking is for a worker.
struct api;
bool embedded_is_slow(const struct api *api, const struct request *request);

#endif
