/* sealpost's protocol as a model for Spin.  "PROTOCOL n" names the section of PROTOCOL.md that a rule is from.
 *
 *   tests/model/run      checks it all: every property in every scenario, every control, every thing to be reached
 *
 * MODELLED.  One client with its disk, one server with its database, and an adversary who owns the network: every
 * handshake and record ever sealed stays on the wire and may arrive at any time, any number of times, in any order,
 * or never; of the answers the client gets one, a forged 403, or none.  Either side dies at any step, and comes back
 * from its disk, or from an older copy of it.
 *
 * Bytes are symbols.  A session's keys are known to the two ends alone: a process that is not in the session can only
 * repeat.  An answer opens for the one request it belongs to.  A handshake is sealed anew each time, so its number is
 * its hash; a message's number is its digest.
 *
 * ABSTRACTED, everywhere: forms, claims, kids, revocation, quotas, handlers and their leases, replies, the limit of
 * four pending sessions, pruning inside the window.  Many gateways are one: their write transactions stand in a row,
 * and all that a request reads that may change, it reads in its own.  The window is 2 for 1,024, the client's outbox
 * holds 2.  The rest is by scenario, below.
 *
 * NOT SHOWN: that the ciphers do what is said of them; that the code is this model; anything about more handshakes,
 * records, messages or restores than each scenario has.  Within these bounds every state is visited.  That random
 * bytes hashed with the plaintext never meet is put in, not found: for nonces it is the two controls that tell.  That
 * a settled message does not act again after a rollback is claimed for a message that was not under way together with
 * a later one (OLD_IN_COMPANY); once its client has spoken, by handshake or record, where the database is put back
 * once; by a record where it is put back twice.  (The same copy a second time is of an epoch for which the client has
 * no receipt any more, so a handshake can prove nothing; an attack there takes more than these bounds.)  No client is
 * put back in ROLLBACK, and in LIVE one side in a run.
 */

/* ------------------------------------------------------------------------------------------------------------------
 * Scenarios: what each can do, and what it leaves out.
 */
#define NETWORK  1  /* loss, replay, reordering, deaths, sessions that end.  No clock (all is in time), no restores   */
#define CLOCK    2  /* time passes, and the client's clock may be wrong: one message, no restores                     */
#define CLONE    3  /* the client's disk is put back from a copy, its random generator with it.  No clock             */
#define ROLLBACK 4  /* the database is put back from a whole copy, sessions too.  No clock, no restore of the client  */
#define INSIDER  5  /* another client, with a credential of its own, says what it likes in receipts.  No restores     */
#define LIVE     6  /* all of it, ACTS times, then peace.  The clock is right or wrong; records alike are one */

#ifndef SCENARIO
#define SCENARIO NETWORK
#endif

#if SCENARIO == NETWORK
#define MESSAGES 3
#define HANDSHAKES 2
#define RECORDS 4
#define SESSIONS 2
#define INSTALLATIONS 1
#define EXPIRIES 1
#elif SCENARIO == CLOCK
#define MESSAGES 1
#define HANDSHAKES 2
#define RECORDS 2
#define SESSIONS 2
#define INSTALLATIONS 1
#elif SCENARIO == CLONE
#define MESSAGES 3
#define HANDSHAKES 3
#define RECORDS 3
#define SESSIONS 3
#define INSTALLATIONS 2
#define CLIENT_RESTORES 1
#elif SCENARIO == ROLLBACK
#ifndef SERVER_RESTORES
#define SERVER_RESTORES 1
#endif
#ifndef HANDSHAKES
#define HANDSHAKES 2
#endif
#ifndef RECORDS
#define RECORDS 3
#endif
#define MESSAGES 2
#define SESSIONS 3
#define INSTALLATIONS 1
#elif SCENARIO == INSIDER
#define MESSAGES 2
#define HANDSHAKES 2
#define RECORDS 3
#define SESSIONS 2
#define INSTALLATIONS 3  /* the last two are the insider's */
#elif SCENARIO == LIVE
#define MESSAGES 2
#define HANDSHAKES 6
#define RECORDS 6
#define SESSIONS 5
#define INSTALLATIONS 3
#ifndef EXPIRIES
#define EXPIRIES 0
#endif
#endif

#ifndef ACTS
#define ACTS 2  /* the adversary's acts in LIVE; elsewhere nothing but the bounds above holds it back */
#endif
#ifndef EXPIRIES
#define EXPIRIES 0
#endif
#ifndef CLIENT_RESTORES
#define CLIENT_RESTORES 0
#endif
#ifndef SERVER_RESTORES
#define SERVER_RESTORES 0
#endif

#define WINDOW 2  /* 1,024 in PROTOCOL 6 */
#define OUTBOX 2
#define NONE 15   /* no session, no message */
#define BURNED 14 /* a counter used up by `late`, in a control */

#if SCENARIO == LIVE
byte acts = ACTS;
#define may_act (acts > 0)
#define spend acts--
#else
#define may_act true
#define spend skip
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * What must never be true.  Each is raised where it is noticed, by violated(), and the run ends there.
 */
bool replay_wrote;         /* a replayed handshake wrote something                                     PROTOCOL 1, 5  */
bool rejected_wrote;       /* a handshake that was answered `unavailable` wrote something later            PROTOCOL 5     */
bool live_session_ended;   /* the session of a client at work was ended by somebody else               PROTOCOL 1, 5  */
bool acted_twice;          /* a message took effect a second time on one history of the database       PROTOCOL 1, 6  */
bool counted_unstored;     /* the client counts a message as accepted that was never stored            PROTOCOL 6     */
bool old_after_rollback;   /* a settled message acted again after its client had spoken                PROTOCOL 1, 7  */
bool false_rollback;       /* a new epoch began though the database was not an old copy                PROTOCOL 7     */
bool nonce_repeated;       /* two different plaintexts under one key and nonce                         PROTOCOL 1, 6  */
bool honest_shut_out;      /* a client that was never restored heard `conflict` or `too_old`           PROTOCOL 6     */
bool bound_too_small;      /* LIVE ran out of numbers, so that its answer would mean nothing                          */
#ifdef ONLY /* a control asks for one of them, and goes on past the others */
#define violated(what) what = true; assert(!ONLY)
#else
#define violated(what) what = true; assert(!what)
#endif

/* What must be possible, or the above says nothing: `run` looks that none of it was left unreached in a scenario
 * that is about it.  By -DREACH=... Spin shows a way there. */
#define ALL_ACCEPTED 1        /* every message is counted as accepted, in as many sessions as there are */
#define HEARD_DUPLICATE 2     /* the client heard `duplicate` */
#define SEEN_HANDSHAKE 3      /* a handshake came again and was known */
#define FORGOTTEN_HANDSHAKE 4 /* a handshake came again when it was forgotten, and was late */
#define BELOW_WINDOW 5        /* a record came again from below the window */
#define LATE_THEN_ACCEPTED 6  /* a message was late, and was accepted after that */
#define HEARD_CONFLICT 7      /* a restored client heard `conflict` */
#define NEW_INSTALLATION 8    /* a restored client became a new installation and had a message accepted */
#define PROVEN_ROLLBACK 9     /* a receipt proved a rollback, and a message was accepted in the new epoch */
#define OLD_BEFORE_SPEAKING 10 /* a settled message acted again before its client spoke: a limit of PROTOCOL 1 */
#define OTHERS_RECEIPT 11     /* a receipt of another installation was ignored */
#define OLD_IN_COMPANY 13      /* the same after its client spoke: two were under way together, and the adversary
                                  replays the later one first.  `next` is then what it was, and no receipt shows the gap.
                                  PROTOCOL 1 grants it for messages out of order, and `late` bounds it */
#define PARALLEL 12           /* messages took effect in another order than their counters' */
#define PENDING_REPLACED 13   /* a handshake took the place of the oldest pending session */
#ifndef REACH
#define REACH 0
#endif
#define reached(what) assert(what != REACH)

/* ------------------------------------------------------------------------------------------------------------------
 * The wire: all that the client ever sealed.  Fields named `after` are the observer's, not the protocol's.
 */
typedef Handshake { /* PROTOCOL 5 */
  byte inst;
  byte sent_at;
  byte epoch; /* the receipt: of which epoch, and its `next`; 0 is none */
  byte next;
  byte after; /* how many restores of the database came before it was sealed */
};
typedef Record { /* PROTOCOL 6 */
  byte ses;
  byte counter;
  byte msg;
  byte sent_at;
  byte epoch;
  byte next;
  byte random; /* the random half of the nonce */
  byte after;
};
Handshake hs[HANDSHAKES];
Record rec[RECORDS];
byte handshakes, records;

/* The client's present request, and the answer the adversary has in hand for it. */
mtype = { idle, shaking, posting }; /* what the client waits for */
mtype = { accepted, duplicate, conflict, too_old, late, rejected };
mtype waiting = idle;
byte request;
mtype status; /* 0: none yet */
byte answer_ses, answer_epoch, answer_next;

/* ------------------------------------------------------------------------------------------------------------------
 * Time, in steps of 60 s (CLOCK).  Elsewhere everything is in time, and nothing is forgotten.
 */
#if SCENARIO == CLOCK
#define NOON 2     /* so that no time is below 0 */
#define LAST 7
byte now = NOON;
byte error;        /* the client's estimate of the server's clock is now + error - NOON */
byte asked_at;
#define distance(t) (t > now -> t - now : now - t)
#define FRESH 1    /* a handshake: 60 s, PROTOCOL 5 step 5 */
#define TOLERANCE 1 /* a record: 300 s, PROTOCOL 6 step 8 */
#ifdef WITH_SHORT_MEMORY
#define MEMORY 1   /* no longer than a handshake is fresh: not enough, for one from a clock that is fast */
#else
#define MEMORY 2   /* 150 s, PROTOCOL 5 step 4 */
#endif
byte begun_at[SESSIONS];
#define estimate (now + error - NOON)
#define is_remembered(h) (now - (db.seen[h] - 1) <= MEMORY)
#define is_late_handshake(h) (distance(hs[h].sent_at) > FRESH)
#define is_late_record(r) (distance(rec[r].sent_at) > TOLERANCE)
#define is_pending(s) (db.ses[s] == pending && now - begun_at[s] <= 1) /* 60 s, PROTOCOL 5 */
#define mark_now (now + 1)
#elif SCENARIO == LIVE
bool right;        /* whether the client's estimate of the server's clock is good */
bool held;         /* the adversary has held back what arrives, until it is late */
#define estimate right
#define is_remembered(h) true
#define is_late_handshake(h) (!hs[h].sent_at || held)
#define is_late_record(r) (!rec[r].sent_at || held)
#define is_pending(s) (db.ses[s] == pending)
#define mark_now 1
#else
#define estimate 0
#define is_remembered(h) true
#define is_late_handshake(h) false
#define is_late_record(r) false
#define is_pending(s) (db.ses[s] == pending)
#define mark_now 1
#endif

#ifdef WITHOUT_MEMORY
#define has_seen(h) false
#else
#define has_seen(h) (db.seen[h] && is_remembered(h))
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * What each side keeps (PROTOCOL 8).
 */
mtype = { absent, pending, current };

/* Messages are counted by installation, whatever the session (PROTOCOL 2); in a control, by session. */
#ifdef WITHOUT_LASTING_COUNTERS
#define LEDGERS SESSIONS
#define ledger_of(s) s
#else
#define LEDGERS INSTALLATIONS
#define ledger_of(s) ses_inst[s]
#endif
#define at(who, counter) ((who) * MESSAGES + (counter))

typedef Database {
  byte epoch;
  mtype ses[SESSIONS];
  byte seen[HANDSHAKES];          /* hashes of handshakes: 0, or when */
  byte next[LEDGERS];
  byte used[LEDGERS * MESSAGES];  /* message rows inside the window: which message has the counter, or NONE */
  bool has[MESSAGES];             /* the observer's: it is stored on this history, whatever is pruned of it */
};
Database db;
#if SERVER_RESTORES > 0
Database db_copy;
bool db_copied;
#endif
byte ses_inst[SESSIONS]; /* fixed when the session is begun; the keys are the session's number */
byte sessions, epochs = 1;

typedef Disk {
  byte inst;
  byte next;                /* the lowest counter never used */
  byte epoch;
  byte receipt;             /* the highest `next` of that epoch */
  byte ses;
  bool leave;               /* it is to become a new installation */
  byte msg[OUTBOX];
  byte counter[OUTBOX];
#ifdef WITHOUT_HEDGE
  byte draws;               /* the random generator's state */
#endif
};
Disk c;
#if CLIENT_RESTORES > 0
Disk c_copy;
bool c_copied;
#endif
bool doubted; /* the client asks for another session before it sends again */
byte messages, installations = 1;

/* The observer's. */
byte live = NONE;          /* the session the client is at work in: it has had an answer to a record there, and has
                              spoken in no other since */
bool wrote[HANDSHAKES];    /* the handshake has written */
bool stored[MESSAGES];     /* the message was stored at some time, on some history */
bool counted[MESSAGES];    /* the client counts it as accepted */
byte restores_left = SERVER_RESTORES, clones_left = CLIENT_RESTORES, expiries_left = EXPIRIES;
bool is_old;               /* the database was put back and no new epoch has begun */
bool client_restored;
#if SERVER_RESTORES > 0
bool spoken;               /* the client has spoken since the database was put back */
bool settled_before[MESSAGES]; /* counted as accepted when the database was put back to before it */
byte counter_of[MESSAGES];
bool together[MESSAGES];       /* it was open when a later one was sealed */
bool proven;
#endif
bool was_late[MESSAGES];
byte k; /* every loop's, and 0 between the steps */

#define restores (SERVER_RESTORES - restores_left)
#define is_done (messages == MESSAGES && c.msg[0] == NONE && c.msg[1] == NONE && !c.leave)

/* ------------------------------------------------------------------------------------------------------------------
 * The server.  Each request is one transaction: it happens whole or not at all, so a death before the commit is a
 * request that never arrived, and a death after it an answer that never left.  Both are there.
 */

/* PROTOCOL 7.  The handshakes' hashes stay (PROTOCOL 5). */
inline start_epoch() {
  if
  :: !is_old -> violated(false_rollback)
  :: else
  fi;
  is_old = false;
  db.epoch = epochs;
  epochs++;
#ifndef WITHOUT_CLEAN_EPOCH
  for (k : 0 .. SESSIONS - 1) { db.ses[k] = absent }
#endif
  k = 0;
  live = NONE;
#if SERVER_RESTORES > 0
  proven = true;
#endif
}

/* PROTOCOL 6, 7: a receipt of this epoch, and of this installation, that promises more than the database has. */
#ifdef WITHOUT_RECEIPTS
#define proves(of_epoch, of_next, s_ledger) false
#elif defined(WITHOUT_RECEIPT_EPOCH)
#define proves(of_epoch, of_next, s_ledger) (of_next > db.next[s_ledger])
#else
#define proves(of_epoch, of_next, s_ledger) (of_epoch == db.epoch && of_next > db.next[s_ledger])
#endif
#ifdef WITHOUT_LASTING_COUNTERS
#define handshake_proves(h) false
#else
#define handshake_proves(h) proves(hs[h].epoch, hs[h].next, hs[h].inst)
#endif

inline heard_after(which) {
#if SERVER_RESTORES > 0
  if
  :: which == restores -> spoken = true
  :: else
  fi
#else
  skip
#endif
}

inline end_session(s) {
  if
  :: s == live && !client_restored -> violated(live_session_ended) /* of two copies each may end the other's */
  :: else
  fi;
  db.ses[s] = absent
}

/* PROTOCOL 5: a pending session becomes active and ends every other one of the name. */
inline make_active(s) {
  d_step {
    for (k : 0 .. SESSIONS - 1) {
      if
      :: k != s && db.ses[k] != absent -> end_session(k)
      :: else
      fi
    }
    k = 0;
    db.ses[s] = current
  }
}

#define PENDING_MAX 1 /* 4 in PROTOCOL 5 */
bool was_rejected[HANDSHAKES];
byte pendings, oldest;

/* PROTOCOL 5: the oldest pending session is deleted for a new one. */
inline begin_session(h) {
  d_step {
    pendings = 0;
    oldest = 0;
    for (k : 0 .. SESSIONS - 1) {
      if
      :: db.ses[k] == pending -> pendings++; oldest = (pendings == 1 -> k : oldest)
      :: else
      fi
    }
    k = 0
  }
  if
  :: pendings >= PENDING_MAX ->
#ifdef WITH_REFUSAL /* reject it and remember nothing */
    was_rejected[h] = true;
    verdict = rejected
#else
    reached(PENDING_REPLACED);
    db.ses[oldest] = absent;
    pendings = 0;
    oldest = 0;
    write_session(h)
#endif
  :: else -> write_session(h)
  fi;
  pendings = 0;
  oldest = 0
}

inline write_session(h) {
  if
  :: was_rejected[h] -> violated(rejected_wrote)
  :: else
  fi;
  if
  :: wrote[h] && restores == 0 -> violated(replay_wrote)
  :: else
  fi;
  wrote[h] = true;
  if
  :: sessions == SESSIONS -> verdict = 0
#if SCENARIO == LIVE
     violated(bound_too_small)
#endif
  :: else ->
    ses_inst[sessions] = hs[h].inst;
#if SCENARIO == CLOCK
    begun_at[sessions] = now;
#endif
    db.seen[h] = mark_now;
    db.ses[sessions] = pending;
#ifdef WITHOUT_ACTIVATION
    make_active(sessions);
#endif
    verdict = accepted;
    sessions++
  fi
}

/* PROTOCOL 5, steps 4, 5, 9 and the writing. */
inline handle_handshake(h) {
  if
  :: has_seen(h) -> reached(SEEN_HANDSHAKE); verdict = rejected
  :: else ->
    if
#ifndef WITHOUT_TIME_LIMIT
    :: is_late_handshake(h) ->
      if
      :: db.seen[h] -> reached(FORGOTTEN_HANDSHAKE)
      :: else
      fi;
      verdict = late
#endif
    :: else ->
      if
      :: handshake_proves(h) -> start_epoch(); db.seen[h] = mark_now; verdict = rejected
      :: else -> begin_session(h)
      fi;
#if SERVER_RESTORES == 1
      heard_after(hs[h].after)
#else
      skip /* the copy may be put back a second time, and is then of an epoch of which the client has no receipt any
              more: only its first record ends the copy's sessions */
#endif
    fi
  fi
}

/* The message takes effect. */
inline act() {
  if
  :: db.has[m] -> violated(acted_twice)
  :: else
  fi;
#if SCENARIO == ROLLBACK
  if
  :: settled_before[m] && spoken && !together[m] -> violated(old_after_rollback)
  :: settled_before[m] && spoken && together[m] -> reached(OLD_IN_COMPANY)
  :: settled_before[m] && !spoken -> reached(OLD_BEFORE_SPEAKING)
  :: else
  fi;
#endif
  if
  :: m > 0 && !stored[m - 1] -> reached(PARALLEL)
  :: else
  fi;
  db.has[m] = true;
  stored[m] = true
}

/* The counter is used: `next`, and the rows that have left the window may be pruned. */
inline use_counter(as) {
  db.used[at(who, number)] = as;
  if
  :: number >= db.next[who] -> db.next[who] = number + 1
  :: else
  fi;
  d_step {
    for (k : 0 .. MESSAGES - 1) {
      if
      :: k + WINDOW < db.next[who] -> db.used[at(who, k)] = NONE
      :: else
      fi
    }
    k = 0
  }
}

/* PROTOCOL 6, step 9: counter and message are committed together. */
inline commit() {
#ifdef WITHOUT_ONE_TRANSACTION
  if
  :: use_counter(m); act()
  :: use_counter(m); dies = true
  :: true -> act(); dies = true /* without `true` the first `else` in act() would wait for the lines above */
  fi
#else
  use_counter(m);
  act()
#endif
}

/* PROTOCOL 6, steps 7 to 9. */
inline count(r) {
  number = rec[r].counter;
  m = rec[r].msg;
  if
#ifndef WITHOUT_WINDOW
  :: number + WINDOW < db.next[who] -> reached(BELOW_WINDOW); verdict = too_old
#endif
  :: else ->
    found = db.used[at(who, number)];
    if
    :: found == BURNED -> verdict = late
#ifdef WITHOUT_DIGEST
    :: found != NONE && found != BURNED -> verdict = duplicate
#else
    :: found == m -> verdict = duplicate
    :: found != NONE && found != BURNED && found != m -> verdict = conflict
#endif
    :: found == NONE ->
      if
      :: is_late_record(r) ->
        verdict = late;
        was_late[m] = true;
#ifdef WITHOUT_FREE_LATE
        use_counter(BURNED)
#endif
      :: else -> verdict = accepted; commit()
      fi
    fi;
    found = 0
  fi;
  number = 0;
  m = 0
}

/* PROTOCOL 6, steps 1, 6 and the rest. */
inline handle_record(r) {
  s = rec[r].ses;
  if
  :: db.ses[s] != current && !is_pending(s) -> verdict = rejected
  :: else ->
    if
    :: proves(rec[r].epoch, rec[r].next, ledger_of(s)) -> start_epoch(); verdict = rejected
    :: else ->
      if
      :: db.ses[s] == pending -> make_active(s)
      :: else
      fi;
      who = ledger_of(s);
      count(r);
      who = 0
    fi;
    heard_after(rec[r].after)
  fi
}

inline pick(i, number) {
  i = 0;
  do
  :: i + 1 < number -> i++
  :: break
  od
}

/* The answer goes to the process that waits for it, if the adversary lets it; to nobody, if it is not the present request's. */
inline answer(kind) {
  if
  :: waiting == kind && request == i && verdict != 0 && !dies ->
    status = verdict;
    answer_ses = begun;
    answer_epoch = db.epoch;
    answer_next = told
  :: waiting == kind && request == i && may_act -> spend /* dies before it answers, or the answer is lost */
#if SCENARIO == LIVE
     ; status = rejected
#endif
  :: waiting != kind || request != i
  fi
}

#define is_due(kind) (waiting == kind && status == 0)

active proctype Server() {
  byte i, s;                       /* the request, and the session of a record */
  byte who, number, m, found;      /* the ledger, the counter and the message of a record, and what has the counter */
  byte begun, told;                /* what the answer says */
  mtype verdict;
  bool dies;
  do
  :: atomic {
       is_due(shaking) || (may_act && handshakes > 0) ->
       if
       :: is_due(shaking) -> i = request
       :: may_act && handshakes > 0 ->
         spend;
         pick(i, handshakes)
#if SCENARIO == LIVE
         ;
         if
         :: held = true
         :: skip
         fi
#endif
       fi;
       handle_handshake(i);
       begun = (verdict == accepted -> sessions - 1 : 0);
       told = (verdict == accepted -> db.next[ledger_of(begun)] : 0);
       answer(shaking);
#if SCENARIO == LIVE
       held = false;
#endif
       i = 0; s = 0; begun = 0; told = 0; verdict = 0
     }
  :: atomic {
       is_due(posting) || (may_act && records > 0) ->
       if
       :: is_due(posting) -> i = request
       :: may_act && records > 0 ->
         spend;
         pick(i, records)
#if SCENARIO == LIVE
         ;
         if
         :: held = true
         :: skip
         fi
#endif
       fi;
       handle_record(i);
       /* A receipt comes with every answer about a used counter (PROTOCOL 6). */
       told = (verdict == late || verdict == rejected -> 0 : db.next[ledger_of(rec[i].ses)]);
       answer(posting);
#if SCENARIO == LIVE
       held = false;
#endif
       i = 0; s = 0; told = 0; verdict = 0; dies = false
     }
  od
}

/* ------------------------------------------------------------------------------------------------------------------
 * The client.
 */
#ifdef WITHOUT_CLIENT_WINDOW
#define is_in_reach(slot) true
#else
/* PROTOCOL 6: it starts no counter >= its oldest open one + the window. */
#define is_in_reach(slot) (c.msg[slot] == NONE || c.next < c.counter[slot] + WINDOW)
#endif
#define has_open (c.msg[0] != NONE || c.msg[1] != NONE)
#define can_shake (waiting == idle && (c.ses == NONE || doubted) && !is_done)

inline learn_receipt(told) {
  if
  :: told > c.receipt -> c.receipt = told
  :: else
  fi
}

inline learn_clock() {
#if SCENARIO == CLOCK
  if
  :: now == asked_at -> error = NOON /* an answer that took long says nothing of the clock */
  :: else
  fi
#elif SCENARIO == LIVE
  right = true
#else
  skip
#endif
}

inline hear() {
  waiting = idle;
  request = 0;
  status = 0;
  answer_ses = 0;
  answer_epoch = 0;
  answer_next = 0
#if SCENARIO == CLOCK
  ; asked_at = 0
#endif
}

/* PROTOCOL 5, 6: a new epoch clears the receipt; a `next` above its own says that it is a restored copy. */
inline enter_session() {
  if
  :: answer_epoch != c.epoch -> c.epoch = answer_epoch; c.receipt = 0
  :: else
  fi;
  learn_receipt(answer_next);
  if
  :: answer_next > c.next -> c.leave = true
  :: else
  fi;
  c.ses = answer_ses;
  doubted = false
}

inline look_at_nonces(r) {
  d_step {
    for (k : 0 .. RECORDS - 1) {
      if
      :: k < r && rec[k].ses == rec[r].ses && rec[k].counter == rec[r].counter && rec[k].random == rec[r].random ->
        violated(nonce_repeated)
      :: else
      fi
    }
    k = 0
  }
}

/* PROTOCOL 6: the same message, sealed anew: another sent_at, so another plaintext. */
inline seal(slot) {
  rec[records].ses = c.ses;
  rec[records].counter = c.counter[slot];
  rec[records].msg = c.msg[slot];
  rec[records].sent_at = estimate;
  rec[records].epoch = (c.receipt > 0 -> c.epoch : 0);
  rec[records].next = c.receipt;
  rec[records].after = restores;
#if SCENARIO != LIVE
#ifdef WITHOUT_RANDOM
  rec[records].random = 0;
#elif defined(WITHOUT_HEDGE)
  rec[records].random = c.draws;
  c.draws++;
#else
  rec[records].random = records + 1; /* hashed with the plaintext, and no two are alike */
#endif
  look_at_nonces(records);
  request = records;
  records++
#else
  request = 0;
  do
  :: request == records -> records++; break
  :: request < records ->
    if
    :: rec[request].ses == rec[records].ses && rec[request].counter == rec[records].counter &&
       rec[request].msg == rec[records].msg && rec[request].sent_at == rec[records].sent_at &&
       rec[request].epoch == rec[records].epoch && rec[request].next == rec[records].next &&
       rec[request].after == rec[records].after ->
      rec[records].ses = 0; rec[records].counter = 0; rec[records].msg = 0; rec[records].sent_at = 0;
      rec[records].epoch = 0; rec[records].next = 0; rec[records].after = 0;
      break
    :: else -> request++
    fi
  od
#endif
}

inline look_at_company(slot) {
#if SCENARIO == ROLLBACK
  if
  :: c.msg[1 - slot] != NONE && c.counter[1 - slot] < c.counter[slot] -> together[c.msg[1 - slot]] = true
  :: else
  fi
#else
  skip
#endif
}

inline settle(slot) {
  c.msg[slot] = NONE;
  c.counter[slot] = 0
}

inline count_accepted() {
  if
  :: !stored[m] -> violated(counted_unstored)
  :: else
  fi;
  counted[m] = true;
#if SERVER_RESTORES > 0
  if
  :: proven -> reached(PROVEN_ROLLBACK)
  :: else
  fi;
#endif
  if
  :: c.inst > 0 -> reached(NEW_INSTALLATION)
  :: else
  fi;
  if
  :: was_late[m] -> reached(LATE_THEN_ACCEPTED)
  :: else
  fi;
  d_step {
    all = true;
    for (k : 0 .. MESSAGES - 1) { all = all && counted[k] }
    k = 0
  }
  if
  :: all -> reached(ALL_ACCEPTED)
  :: else
  fi;
  all = false
}

/* PROTOCOL 6, "Status": the client's column. */
inline judge(slot) {
  if
  :: status == accepted || status == duplicate ->
    if
    :: status == duplicate -> reached(HEARD_DUPLICATE)
    :: else
    fi;
    m = c.msg[slot];
    count_accepted();
    m = 0;
    settle(slot)
  :: status == conflict || status == too_old ->
    if
    :: !client_restored -> violated(honest_shut_out)
    :: else
    fi;
    if
    :: status == conflict -> reached(HEARD_CONFLICT); c.leave = true
    :: else
    fi;
    settle(slot)
  :: status == late
  fi
}

active proctype Client() {
  byte slot, m;
  bool all;
  d_step {
    c.ses = NONE;
    c.msg[0] = NONE;
    c.msg[1] = NONE;
    for (k : 0 .. LEDGERS * MESSAGES - 1) { db.used[k] = NONE }
    for (k : 0 .. SESSIONS - 1) { db.ses[k] = absent }
    k = 0;
    db.epoch = 1;
    epochs = 2
  }
#if SCENARIO == CLOCK
  pick(error, 5)
#elif SCENARIO == LIVE
  if
  :: right = true
  :: right = false
  fi
#endif
  ;
  do
  /* PROTOCOL 8: a message gets its counter on disk, before it leaves. */
  :: atomic {
       waiting == idle && c.ses != NONE && !doubted && !c.leave && messages < MESSAGES &&
       (c.msg[0] == NONE || c.msg[1] == NONE) && is_in_reach(0) && is_in_reach(1) && c.next < MESSAGES ->
       slot = (c.msg[0] == NONE -> 0 : 1);
       c.msg[slot] = messages;
       c.counter[slot] = c.next;
#if SERVER_RESTORES > 0
       counter_of[messages] = c.next;
#endif
       c.next++;
       messages++;
       slot = 0
     }
  /* PROTOCOL 6: what is open is settled, then it takes a new install_nonce. */
  :: atomic {
       waiting == idle && c.leave && !has_open && c.ses != NONE && installations < INSTALLATIONS ->
       c.inst = installations;
       installations++;
       c.next = 0;
       c.receipt = 0;
       c.leave = false;
       c.ses = NONE;
       live = NONE
     }
  :: atomic {
       can_shake && handshakes < HANDSHAKES ->
       hs[handshakes].inst = c.inst;
       hs[handshakes].sent_at = estimate;
       hs[handshakes].epoch = (c.receipt > 0 -> c.epoch : 0);
       hs[handshakes].next = c.receipt;
       hs[handshakes].after = restores;
       request = handshakes;
       handshakes++;
#if SCENARIO == CLOCK
       asked_at = now;
#endif
       waiting = shaking
     }
  :: atomic {
       waiting == idle && c.ses != NONE && !doubted && has_open && records < RECORDS ->
       if
       :: c.msg[0] != NONE -> slot = 0
       :: c.msg[1] != NONE -> slot = 1
       fi;
       if
       :: live != c.ses -> live = NONE
       :: else
       fi;
       look_at_company(slot);
       seal(slot);
#if SCENARIO == CLOCK
       asked_at = now;
#endif
       slot = 0;
       waiting = posting
     }
  :: atomic {
       waiting == shaking && status != 0 ->
       if
       :: status == accepted -> learn_clock(); enter_session()
       :: status == late -> learn_clock()
       :: status == rejected
       fi;
       hear()
     }
  :: atomic {
       waiting == posting && status != 0 ->
       if
       :: status == rejected -> doubted = true
       :: else ->
         learn_clock();
         learn_receipt(answer_next);
         if
         :: rec[request].after == restores -> live = c.ses
         :: else /* the answer is of a time before the database was put back */
         fi;
         slot = (c.msg[0] == rec[request].msg -> 0 : 1);
         if
         :: judge(slot)
         :: may_act -> spend /* dies when the receipt is saved and the message is still open */
         fi;
         slot = 0
       fi;
       hear()
     }
  /* Request or answer is lost, a 403 is forged, or the client dies while it waits.  A session that is only doubted may
     still be used, where no other is to be had. */
  :: atomic {
       waiting != idle && status == 0 && may_act ->
       spend;
       if
       :: doubted = (c.ses != NONE)
       :: doubted = false
       fi;
       hear()
     }
#if SCENARIO == LIVE
  :: atomic { can_shake && handshakes == HANDSHAKES -> violated(bound_too_small) }
  :: atomic { waiting == idle && has_open && records == RECORDS -> violated(bound_too_small) }
  :: atomic { waiting == idle && c.leave && !has_open && installations == INSTALLATIONS -> violated(bound_too_small) }
#endif
  od
}

/* ------------------------------------------------------------------------------------------------------------------
 * What the adversary does beside the network.
 */
inline copy_client(to, from) {
  d_step {
    to.inst = from.inst;
    to.next = from.next;
    to.epoch = from.epoch;
    to.receipt = from.receipt;
    to.ses = from.ses;
    to.leave = from.leave;
    for (k : 0 .. OUTBOX - 1) {
      to.msg[k] = from.msg[k];
      to.counter[k] = from.counter[k]
    }
#ifdef WITHOUT_HEDGE
    to.draws = from.draws;
#endif
    k = 0
  }
}

inline copy_database(to, from) {
  d_step {
    to.epoch = from.epoch;
    for (k : 0 .. SESSIONS - 1) { to.ses[k] = from.ses[k] }
    for (k : 0 .. HANDSHAKES - 1) { to.seen[k] = from.seen[k] }
    for (k : 0 .. LEDGERS - 1) { to.next[k] = from.next[k] }
    for (k : 0 .. LEDGERS * MESSAGES - 1) { to.used[k] = from.used[k] }
    for (k : 0 .. MESSAGES - 1) { to.has[k] = from.has[k] }
    k = 0
  }
}

active proctype Adversary() {
  do
#if SERVER_RESTORES > 0
  :: atomic { !db_copied && db.epoch > 0 -> db_copied = true; copy_database(db_copy, db) }
  :: atomic {
       db_copied && restores_left > 0 && may_act ->
       spend;
       restores_left--;
       copy_database(db, db_copy);
       d_step {
         /* What had arrived out of order a receipt cannot show (PROTOCOL 1). */
         for (k : 0 .. MESSAGES - 1) { settled_before[k] = counted[k] && counter_of[k] >= db.next[0] }
         k = 0;
         is_old = true;
         spoken = false;
         live = NONE
       }
     }
#endif
#if CLIENT_RESTORES > 0
  :: atomic { !c_copied && db.epoch > 0 -> c_copied = true; copy_client(c_copy, c) }
  :: atomic {
       c_copied && clones_left > 0 && may_act ->
       spend;
       clones_left--;
       copy_client(c, c_copy);
       client_restored = true;
       doubted = false;
       live = NONE;
       hear()
     }
#endif
#if EXPIRIES > 0
  :: atomic { /* a session's 24 hours are over */
       expiries_left > 0 && may_act && sessions > 0 ->
       spend;
       expiries_left--;
       live = NONE;
       for (k : 0 .. SESSIONS - 1) { db.ses[k] = absent }
       k = 0
     }
#endif
#if SCENARIO == CLOCK
  :: atomic { now < LAST -> now++ }
#elif SCENARIO == LIVE
  :: atomic { right && may_act -> spend; right = false } /* the client's clock jumps */
#endif
  :: break
  od
}

/* A client with a credential and two installations of its own, I and I + 1.  It has messages counted, and so gets
 * receipts, and shows any of them as either installation (PROTOCOL 5 step 9, PROTOCOL 6 step 6). */
#if SCENARIO == INSIDER
#define I (INSTALLATIONS - 2)
#ifdef WITHOUT_BOUND_RECEIPTS
#define is_bound(shown, to) true
#else
#define is_bound(shown, to) (shown == to)
#endif
active proctype Insider() {
  byte own, other;
  byte given[2], of_epoch;
  do
  :: atomic {
       db.epoch > 0 && given[0] < 2 ->
       db.next[I]++;
       given[0] = db.next[I];
       of_epoch = db.epoch
     }
  :: atomic {
       db.epoch > 0 && given[1] < 2 ->
       db.next[I + 1]++;
       given[1] = db.next[I + 1];
       of_epoch = db.epoch
     }
  :: atomic {
       of_epoch > 0 ->
       pick(own, 2);
       pick(other, 2);
       if
       :: is_bound(other, own) && proves(of_epoch, given[other], I + own) -> start_epoch()
       :: !is_bound(other, own) && given[other] > db.next[I + own] -> reached(OTHERS_RECEIPT)
       :: else
       fi;
       own = 0;
       other = 0
     }
  od
}
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * An honest client that keeps trying is served in the end: all it had to say is settled, and stays so.  Under weak
 * fairness (pan -f): a side that can always move moves at last.  Where its state was never put back, "settled" is
 * "accepted", for judge() has no other way to settle a message of such a client.
 */
#if SCENARIO == LIVE && !defined(WITHOUT_CLAIM) /* without it for -DREACH, which is looked for with -DSAFETY */
ltl served { <>[] (is_done) }
#endif
