/* One message and its handler: leases, crashes, handlers that could not be begun, a restored backup, and the operator
 * (PROTOCOL 6 and 7).  `run` takes a rule out with -DWITH_...
 *
 * Left out: several messages, the client's questions, clocks (that a lease ended is one event).
 */
#define HANDLER 1
#define RUNS 3 /* of the handler, at the same time */
#define NONE 15

/* What must never be true. */
bool acted_twice;     /* though no run was cut short and the operator asked for none */
bool said_first_time; /* the handler acted again, and was told that it was the first attempt */
#ifdef ONLY
#define violated(what) what = true; assert(!ONLY)
#else
#define violated(what) what = true; assert(!what)
#endif

/* What must be possible. */
#define SUSPENDED_THEN_SETTLED 1 /* a run that was still at work settled the suspended message */
#define TRIED_AGAIN 2            /* a handler that could not be begun was begun later */
#define RETRIED 3                /* the operator gave a suspended message to its handler again */
#ifdef REACH
#define reached(goal) assert(goal != REACH)
#else
#define reached(goal) assert(goal != 0)
#endif

mtype = { in_progress, settled, suspended };
mtype = { none, begun, has_acted };

mtype status = in_progress;
byte attempt = 1;
bool leased = true; /* its process is believed to live */
mtype phase[RUNS];
byte run_attempt[RUNS];
byte acts;

bool has_copy;
mtype copied_status;
byte copied_attempt;

bool may_crash = true, may_restore = true, was_cut_short, was_retried, was_not_begun, restored;
byte failures = 2; /* of beginning a handler */
byte i, free;

inline act(r) {
  acts++;
  if
  :: acts > 1 && !was_cut_short && !was_retried -> violated(acted_twice)
  :: else
  fi;
  if
  :: acts > 1 && !restored && run_attempt[r] < 2 -> violated(said_first_time)
  :: else
  fi;
  if
  :: was_not_begun -> reached(TRIED_AGAIN)
  :: else
  fi;
  phase[r] = has_acted
}

/* PROTOCOL 6: the attempt is not counted, and anyone may try again. */
inline not_begun(r) {
  failures--;
  was_not_begun = true;
  if
  :: status == in_progress && attempt == run_attempt[r] -> attempt--; leased = false
  :: else
  fi;
  phase[r] = none
}

inline save_result(r) {
  if
  :: status == suspended -> reached(SUSPENDED_THEN_SETTLED)
  :: else
  fi;
  if
  :: status != settled -> status = settled
  :: else
  fi;
  phase[r] = none
}

inline step(r) {
  if
  :: phase[r] == begun -> act(r)
  :: phase[r] == begun && failures > 0 -> not_begun(r)
  :: phase[r] == has_acted -> save_result(r)
#ifdef WITH_LOOSE_REFUSAL /* a connection that died after the request was written counts as "did not act" */
  :: phase[r] == has_acted && failures > 0 -> not_begun(r)
#endif
  fi
}

inline claim() {
  free = (phase[0] == none -> 0 : (phase[1] == none -> 1 : 2));
  attempt++;
  leased = true;
  phase[free] = begun;
  run_attempt[free] = attempt;
  free = 0
}

inline crash() {
  may_crash = false;
  was_cut_short = true;
  leased = false;
  for (i : 0 .. RUNS - 1) { phase[i] = none }
  i = 0
}

/* PROTOCOL 7: what was in progress in the copy is suspended. */
inline restore() {
  may_restore = false;
  restored = true;
  leased = false;
  attempt = copied_attempt;
  status = copied_status;
#ifndef WITH_RERUN
  if
  :: status == in_progress -> status = suspended
  :: else
  fi
#endif
}

init {
  phase[0] = begun;
  run_attempt[0] = 1;
  for (i : 1 .. RUNS - 1) { phase[i] = none }
  i = 0;
  do
  :: atomic { phase[0] != none -> step(0) }
  :: atomic { phase[1] != none -> step(1) }
  :: atomic { phase[2] != none -> step(2) }
  :: atomic { may_crash && (phase[0] != none || phase[1] != none || phase[2] != none) -> crash() }
  :: atomic { status == in_progress && !leased && attempt < 4 &&
       (phase[0] == none || phase[1] == none || phase[2] == none) -> claim() }
  :: atomic { !has_copy && may_restore -> has_copy = true; copied_status = status; copied_attempt = attempt }
  :: atomic { has_copy && may_restore -> restore() }
  :: atomic { status == suspended && !was_retried ->
       reached(RETRIED); was_retried = true; status = in_progress; leased = false }
  od
}
