/* SPDX-License-Identifier: MIT */
// Sessions on a plan, for those that have no open model: the forge and tests. Users of the library
// have tnm_session_open.
#ifndef TNM_SESSION_H
#define TNM_SESSION_H

#include "core/plan.h"

// As tnm_session_open. The plan must outlive the session.
struct tnm_session *tnm_session_on_plan(const struct tnm_plan *plan, unsigned max_batch,
                                        size_t memory_limit, struct tnm_error *err) TNM_MUST_CHECK;

#endif
