/* SPDX-License-Identifier: MIT */
// Closing a connection whose client is still sending. Most clients look for an answer only when
// they have sent all; a socket that is closed on unread bytes resets the connection under them, and
// the answer is lost. So what they send is read, and dropped, for a while.
#ifndef SINK_H
#define SINK_H

#include "core/error.h"

struct sink;

struct sink *sink_start(struct tnm_error *err) TNM_MUST_CHECK;
void sink_stop(struct sink *sink);

// Takes a copy of fd, whose owner closes it as usual. Nothing is sent on it any more. Where there
// are too many such connections already, nothing happens.
void sink_take(struct sink *sink, int fd);

#endif
