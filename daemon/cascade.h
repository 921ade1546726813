/* SPDX-License-Identifier: MIT */
// Smaller models in place of a large one: where they are sure (a cascade), and where there is no
// time (degrading).
//
// Cascade: the models of the setting `cascade`, smallest first, answer under the name "cascade".
// Where the margin of one is below `cascade-margin`, the next is asked, up to the last. Those that
// are not in service, or do not answer the question of the last that is, are passed over.
//
// Degrading: while more requests are in work than the share `degrade-at` of the queue, a call that
// names no model is answered by the model `degrade` instead of the active one, if it answers the
// same question. Only when the queue is full are calls refused.
#ifndef CASCADE_H
#define CASCADE_H

#include "daemon/panel.h"

// Whether a call for the model `name` means the cascade.
bool cascade_is_meant(const struct api *api, const char *name);

// Seats its levels in an empty panel, the last one first: *last. False with 503 in reply.
bool cascade_add(struct panel *panel, struct served **last);

// After panel_read: asks the levels, from the last seat on. *at: the member whose answer counts.
bool cascade_run(struct panel *panel, size_t *at);

// Seats the active model in an empty panel, and under pressure behind it the smaller one, which is
// to be asked in its place. False with 503 in reply.
bool degrade_add(struct panel *panel, struct served **active);

#endif
