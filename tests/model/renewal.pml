/* Renewal with overlap, handshakes of two generations, withdrawing, and messages that no route takes (PROTOCOL 3, 5, 6).
 *
 * One name.  An honest client with generation 1; an operator who renews, revokes, restores and corrects the routes; a
 * thief of generation 1's credential; an adversary who withholds, loses and replays.  A request is handled in one step,
 * and its answer arrives or is lost.  What the adversary withholds it can deliver at any later time.
 *
 * `run` chooses a scenario with -DSCENARIO and takes a rule out with -DWITHOUT_... or -DWITH_...
 *
 * Left out: kids, several clients, receipts (sealpost.pml has them), the window's edge, PostgreSQL.  The end of the
 * grace is one event.  A client's installation is named by its generation.
 */
#define RENEW   1 /* one renewal; two messages; the grace ends */
#define TWICE   2 /* two renewals, whose files may be lost */
#define THIEF   3 /* a thief of generation 1 speaks and handshakes; one renewal, one revocation */
#define RESTORE 4 /* the database is put back, the issuance log is not */
#define HOME    5 /* the whole home is put back, with the issuance log */
#define ROUTE   6 /* no route takes the topic, until the operator corrects the routes */

#ifndef SCENARIO
#define SCENARIO RENEW
#endif

#if SCENARIO == RENEW
#define MESSAGES 2
#else
#define MESSAGES 1
#endif
#define GENERATIONS 3
#define COUNTERS 3
#if SCENARIO == THIEF || SCENARIO == TWICE
#define SESSIONS 5
#define HANDSHAKES 4
#else
#define SESSIONS 4
#define HANDSHAKES 3
#endif
#if SCENARIO == RESTORE || SCENARIO == HOME
#define RECORDS 1
#else
#define RECORDS 3
#endif
#define PENDING_MAX 1 /* of one generation; 4 in PROTOCOL 5 */
#define NONE 15
#define PING 14       /* a record that carries no message */
#define THIEFS 4      /* the installation of the thief */

/* What must never be true. */
bool acted_twice;           /* a message took effect twice on one history of the database */
bool unknown_without_cause; /* a message is unknown though nobody ended the client's credential */
bool newer_ended;           /* a session of a later generation was ended by an earlier one */
bool former_after_newer;    /* a record of a former generation was admitted after one of the new one */
bool revoked_admitted;      /* a record was admitted after its generation had been revoked */
bool standing_rejected;     /* the client's valid credential was rejected: it may be shut out for ever */
bool conflict_heard;        /* one counter named two messages */
#ifdef ONLY /* a control asks for one of them, and goes on past the others */
#define violated(what) what = true; assert(!ONLY)
#else
#define violated(what) what = true; assert(!what)
#endif

/* What must be possible. */
#define RENEWED_AND_SERVED 1     /* a message is accepted under the renewed credential */
#define WITHDRAWN_AND_RESENT 2   /* a message is withdrawn, and accepted as a new one */
#define TWO_RENEWALS 3           /* the second renewal is installed */
#define FORMER_AFTER_RESTORE 4   /* the former credential speaks after the database was put back */
#define NEWER_PENDING_SURVIVES 5 /* a session of a later generation survives an activation */
#define REJECTED_AND_RESENT 6    /* a message that no route took is sent again as a new one, and accepted */
#ifdef REACH
#define reached(goal) assert(goal != REACH)
#else
#define reached(goal) assert(goal != 0)
#endif

mtype = { absent, pending, current };                        /* a session */
mtype = { unused, accepted, rejected, withdrawn };           /* a counter */
mtype = { queued, numbered, counted, unknown };              /* a message at the client */
mtype = { unspent, spent, turned_away };                     /* a handshake */
mtype = { unsealed, revoked_answer, served };                /* what a request is answered, besides a counter's status */

typedef Row { byte generation; byte former; bool revoked };
typedef Counters { mtype status[COUNTERS]; byte message[COUNTERS] };

/* --- the server --- */
Row row;
Row issued;      /* the issuance log's last line */
bool in_grace = true;
bool broken_route = (SCENARIO == ROUTE);
Counters used[GENERATIONS + 1];
mtype session[SESSIONS];
byte session_generation[SESSIONS];
byte session_installation[SESSIONS];
byte sessions;
byte spoke;      /* the greatest generation of which a record was admitted on this history */
byte ever_spoke; /* the same on all histories */
byte acts[MESSAGES];
byte revoked_upto;
bool abandoned, grace_ended, restored, was_withdrawn, was_rejected;
bool dropped;    /* the client dropped a renewed credential because it was revoked */

/* --- the copy --- */
bool has_copy;
Row copied_row, copied_issued;
Counters copied_used[GENERATIONS + 1];

/* --- the network --- */
byte hs_generation[HANDSHAKES];
byte hs_installation[HANDSHAKES];
mtype hs_state[HANDSHAKES];
byte handshakes;
byte rec_session[RECORDS];
byte rec_counter[RECORDS];
byte rec_message[RECORDS];
bool rec_withdraws[RECORDS];
byte records;

/* --- the client --- */
byte generation = 1;
byte staged;                 /* a renewed credential that is not in use yet; 0 for none */
byte my_session = NONE;
byte staged_session = NONE;
byte next;
mtype state[MESSAGES];
byte counter[MESSAGES];

/* --- what is left to the operator and the adversary --- */
byte renewals = (SCENARIO == TWICE -> 2 : (SCENARIO == ROUTE -> 0 : 1));
byte revocations = (SCENARIO == THIEF || SCENARIO == RESTORE || SCENARIO == HOME -> 1 : 0);
byte restores = (SCENARIO == RESTORE || SCENARIO == HOME -> 1 : 0);
byte thefts = (SCENARIO == THIEF -> 2 : 0);
byte endings = (SCENARIO == RENEW || SCENARIO == TWICE || SCENARIO == THIEF -> 1 : 0);
byte losses = (SCENARIO == RENEW || SCENARIO == TWICE || SCENARIO == RESTORE -> 1 : 0); /* of a credential's file */

/* scratch; 0 between steps */
byte i, k, oldest, pendings;
mtype answer;
mtype counter_status;

/* PROTOCOL 3: the credential stands. */
#ifdef WITH_REVOKED_BELOW
#define stands(g) ((row.revoked -> g >= row.generation : \
                    (g == row.generation || (g == row.former && in_grace) || g > row.generation)))
#else
#define stands(g) (!row.revoked && (g == row.generation || (g == row.former && in_grace) || g > row.generation))
#endif

/* Whether the operator means the client's credential to be valid. */
#define is_meant(g) (!issued.revoked && (g == issued.generation || \
                     (g == issued.former && in_grace && spoke < issued.generation)))

inline clear_sessions() {
  for (k : 0 .. SESSIONS - 1) { session[k] = absent }
  k = 0
}

/* PROTOCOL 3: the issuance log is compared with the row. */
#ifdef WITH_EQUAL_ISSUE
#define says_more (issued.generation >= row.generation)
#else
#define says_more (issued.generation > row.generation || (issued.revoked && issued.generation >= row.generation))
#endif
inline compare() {
#ifndef WITHOUT_COMPARISON
  if
  :: says_more ->
     row.generation = issued.generation;
#ifdef WITHOUT_FORMER_IN_ISSUE
     row.former = 0;
#else
     row.former = issued.former;
#endif
     row.revoked = issued.revoked;
     if
     :: issued.revoked -> clear_sessions()
     :: else
     fi
  :: else
  fi
#else
  skip
#endif
}

/* PROTOCOL 5, steps 4, 8 and 10, and the writing.  The new session is sessions - 1. */
inline handle_handshake(h) {
  answer = unsealed;
  if
  :: hs_state[h] == spent || sessions == SESSIONS
  :: else ->
    if
    :: !stands(hs_generation[h]) -> answer = revoked_answer
    :: else ->
      oldest = NONE;
      for (k : 0 .. SESSIONS - 1) {
        if
#ifdef WITH_PENDING_BY_NAME
        :: session[k] == pending ->
#else
        :: session[k] == pending && session_generation[k] == hs_generation[h] ->
#endif
          pendings++;
          oldest = (oldest == NONE -> k : oldest)
        :: else
        fi
      }
      k = 0;
      if
      :: pendings >= PENDING_MAX ->
        if
        :: session_generation[oldest] > hs_generation[h] -> violated(newer_ended)
        :: else
        fi;
        session[oldest] = absent
      :: else
      fi;
      pendings = 0;
      oldest = 0;
#ifdef WITH_END_BY_HANDSHAKE
      if
      :: hs_generation[h] >= row.generation ->
        row.generation = hs_generation[h];
        row.former = 0
      :: else
      fi;
#endif
      session[sessions] = pending;
      session_generation[sessions] = hs_generation[h];
      session_installation[sessions] = hs_installation[h];
      sessions++;
      hs_state[h] = spent;
      answer = served
    fi
  fi
}

/* PROTOCOL 6, step 6: the first record makes a pending session active. */
inline activate(s) {
  for (k : 0 .. SESSIONS - 1) {
    if
    :: k == s || session[k] == absent
#ifdef WITH_END_OF_LATER
    :: k != s && session[k] != absent && session_generation[k] > session_generation[s] ->
      session[k] = absent;
      violated(newer_ended)
#else
    :: k != s && session[k] == pending && session_generation[k] > session_generation[s] ->
      reached(NEWER_PENDING_SURVIVES)
    :: k != s && session[k] == current && session_generation[k] > session_generation[s] ->
      session[k] = absent
#endif
    :: k != s && session[k] != absent && session_generation[k] <= session_generation[s] -> session[k] = absent
    fi
  }
  k = 0;
  session[s] = current;
  if
  :: session_generation[s] >= row.generation ->
    row.generation = session_generation[s];
    row.former = 0;
    row.revoked = false
  :: else
  fi
}

#define use(n, m, what)                                     \
  used[session_installation[s_]].status[n] = what;          \
  used[session_installation[s_]].message[n] = m

/* PROTOCOL 6, steps 5 to 9, of a record under session s.  `counter_status` says what its counter is then. */
byte s_;
inline handle_record(s, n, m, withdraws) {
  answer = unsealed;
  counter_status = unused;
  s_ = s;
  if
  :: session[s] == absent
  :: session[s] != absent && !stands(session_generation[s]) -> answer = revoked_answer
  :: session[s] != absent && stands(session_generation[s]) ->
    answer = served;
    if
    :: revoked_upto > 0 && session_generation[s] <= revoked_upto -> violated(revoked_admitted)
    :: else
    fi;
    if
    :: session_generation[s] < spoke -> violated(former_after_newer)
    :: else
    fi;
    if
    :: session_generation[s] > spoke -> spoke = session_generation[s]
    :: else
    fi;
    if
    :: spoke > ever_spoke -> ever_spoke = spoke
    :: else
    fi;
    if
    :: restored && session_generation[s] < issued.generation -> reached(FORMER_AFTER_RESTORE)
    :: else
    fi;
    if
    :: session[s] == pending -> activate(s)
    :: else
    fi;
    if
    :: m == PING
    :: m != PING -> handle_counter(n, m, withdraws)
    fi
  fi;
  s_ = 0
}

/* Steps 7 to 9. */
inline handle_counter(n, m, withdraws) {
  if
  :: used[session_installation[s_]].status[n] != unused ->
    if
    :: used[session_installation[s_]].message[n] != m -> violated(conflict_heard)
    :: else
    fi
  :: used[session_installation[s_]].status[n] == unused && withdraws ->
#ifdef WITH_FREE_WITHDRAWAL
    counter_status = withdrawn
#else
    use(n, m, withdrawn)
#endif
  :: used[session_installation[s_]].status[n] == unused && !withdraws && broken_route ->
#ifdef WITH_FREE_REFUSAL
    counter_status = rejected
#else
    use(n, m, rejected)
#endif
  :: used[session_installation[s_]].status[n] == unused && !withdraws && !broken_route ->
    acts[m]++;
    if
    :: acts[m] > 1 -> violated(acted_twice)
    :: else
    fi;
    use(n, m, accepted)
  fi;
  if
  :: counter_status == unused -> counter_status = used[session_installation[s_]].status[n]
  :: else
  fi
}

/* A fresh handshake of a generation goes out. */
inline say_handshake(g, from) {
  hs_generation[handshakes] = g;
  hs_installation[handshakes] = from;
  hs_state[handshakes] = unspent;
  handshakes++
}

/* The client hears `revoked` under generation g. */
inline hear_revoked(g) {
  if
  :: is_meant(g) && !(restored && dropped) -> violated(standing_rejected) /* else the operator renews */
  :: else
  fi
}

/* The former credential has ended while a counter is open: that message is unknown. */
inline lose(m) {
  state[m] = unknown;
  if
  :: restored && dropped
  :: !(restored && dropped) && is_meant(generation) -> violated(unknown_without_cause)
  :: !is_meant(generation) && in_grace && revoked_upto == 0 && !restored && !abandoned && !grace_ended &&
     spoke <= generation -> violated(unknown_without_cause)
  :: else
  fi
}

/* The client hears what became of message m. */
inline hear(m) {
  if
  :: counter_status == accepted ->
    state[m] = counted;
    if
    :: generation > 1 -> reached(RENEWED_AND_SERVED)
    :: else
    fi;
    if
    :: was_withdrawn -> reached(WITHDRAWN_AND_RESENT)
    :: else
    fi;
    if
    :: was_rejected -> reached(REJECTED_AND_RESENT)
    :: else
    fi
  :: counter_status == withdrawn -> state[m] = queued; was_withdrawn = true
  :: counter_status == rejected -> state[m] = queued; was_rejected = true /* its user sends it as a new message */
  fi
}

/* The client goes over to its staged credential: a new installation. */
inline switch_over(with) {
  generation = staged;
  staged = 0;
  my_session = with;
  staged_session = NONE;
  next = 0;
  for (k : 0 .. MESSAGES - 1) {
#ifdef WITH_RENUMBERING
    if
    :: state[k] == numbered -> state[k] = queued
    :: else
    fi;
#endif
    counter[k] = 0
  }
  k = 0;
  if
  :: generation == 3 -> reached(TWO_RENEWALS)
  :: else
  fi
}

#ifdef WITH_RENUMBERING
#define may_install true
#else
#define may_install (state[0] != numbered && state[MESSAGES - 1] != numbered)
#endif
#define may_handshake (handshakes < HANDSHAKES && sessions < SESSIONS)

inline do_operator() {
  if
  :: renewals > 0 && (row.generation < GENERATIONS && issued.generation < GENERATIONS) ->
    renewals--;
    compare(); /* before every command */
    if
    :: row.revoked -> issued.former = 0
#ifdef WITH_UNUSED_AS_FORMER
    :: else -> issued.former = row.generation
#elif defined(WITHOUT_OVERLAP)
    :: else -> issued.former = 0
#else
    :: !row.revoked && row.former != 0 && in_grace -> issued.former = row.former
    :: !row.revoked && !(row.former != 0 && in_grace) -> issued.former = row.generation
#endif
    fi;
    issued.generation = (row.generation > issued.generation -> row.generation : issued.generation) + 1;
    issued.revoked = false;
    row.generation = issued.generation;
    row.former = issued.former;
    row.revoked = false;
    in_grace = true;
    staged = issued.generation;
    staged_session = NONE
  :: revocations > 0 && !row.revoked && row.generation < GENERATIONS && issued.generation < GENERATIONS ->
    revocations--;
    compare();
    issued.generation = (row.generation > issued.generation -> row.generation : issued.generation) + 1;
    issued.former = 0;
    issued.revoked = true;
    row.generation = issued.generation;
    row.former = 0;
    row.revoked = true;
    clear_sessions();
    revoked_upto = issued.generation
  :: endings > 0 && in_grace && row.former != 0 -> endings--; in_grace = false; grace_ended = true
  :: broken_route -> broken_route = false
  :: (SCENARIO == RENEW || SCENARIO == THIEF) -> compare() /* the database is opened again */
  fi
}

inline do_restore() {
  if
  :: !has_copy && restores > 0 ->
    has_copy = true;
    copied_row.generation = row.generation;
    copied_row.former = row.former;
    copied_row.revoked = row.revoked;
    copied_issued.generation = issued.generation;
    copied_issued.former = issued.former;
    copied_issued.revoked = issued.revoked;
    for (i : 0 .. GENERATIONS) {
      for (k : 0 .. COUNTERS - 1) {
        copied_used[i].status[k] = used[i].status[k];
        copied_used[i].message[k] = used[i].message[k]
      }
    }
  :: has_copy && restores > 0 ->
    restores--;
    restored = true;
    row.generation = copied_row.generation;
    row.former = copied_row.former;
    row.revoked = copied_row.revoked;
    for (i : 0 .. GENERATIONS) {
      for (k : 0 .. COUNTERS - 1) {
        used[i].status[k] = copied_used[i].status[k];
        used[i].message[k] = copied_used[i].message[k]
      }
    }
#if SCENARIO == HOME
    issued.generation = copied_issued.generation;
    issued.former = copied_issued.former;
    issued.revoked = copied_issued.revoked;
    revoked_upto = (issued.revoked -> issued.generation : 0); /* a home put back whole knows nothing later */
#endif
    compare();
    clear_sessions();
    for (i : 0 .. MESSAGES - 1) { acts[i] = 0 }
    spoke = 0
  fi;
  i = 0;
  k = 0
}

/* The credential's handshake: withheld, or answered, and the answer arrives or is lost. */
inline do_handshake() {
  say_handshake(generation, generation);
  if
  :: true /* withheld */
  :: handle_handshake(handshakes - 1) /* the answer is lost */
  :: handle_handshake(handshakes - 1);
    if
    :: answer == served -> my_session = sessions - 1
    :: answer == revoked_answer ->
      hear_revoked(generation);
      for (i : 0 .. MESSAGES - 1) {
        if
        :: state[i] == numbered -> lose(i)
        :: else
        fi
      }
      i = 0
    :: else
    fi
  fi
}

/* The staged credential: a handshake, then a ping; its answer is what the client goes over by. */
inline do_install() {
  if
  :: staged_session == NONE && may_handshake ->
    say_handshake(staged, staged);
    if
    :: true
    :: handle_handshake(handshakes - 1)
    :: handle_handshake(handshakes - 1);
      if
      :: answer == served ->
#ifdef WITH_SWITCH_AT_HANDSHAKE
        switch_over(sessions - 1)
#else
        staged_session = sessions - 1
#endif
      :: answer == revoked_answer -> hear_revoked(staged); staged = 0; dropped = true
      :: else
      fi
    fi
  :: staged_session != NONE ->
    handle_record(staged_session, 0, PING, false);
    if
    :: true /* the answer is lost */
    :: answer == served -> switch_over(staged_session)
    :: answer == unsealed -> staged_session = NONE
    :: answer == revoked_answer -> hear_revoked(staged); staged = 0; dropped = true; staged_session = NONE
    fi
  fi
}

/* A numbered message leaves, as it is or withdrawn. */
inline do_post(m, withdraws) {
  rec_session[records] = my_session;
  rec_counter[records] = counter[m];
  rec_message[records] = m;
  rec_withdraws[records] = withdraws;
  records++;
  if
  :: true
  :: handle_record(my_session, counter[m], m, withdraws)
  :: handle_record(my_session, counter[m], m, withdraws);
    if
    :: answer == served -> hear(m)
    :: answer == revoked_answer -> hear_revoked(generation); lose(m); my_session = NONE
    :: else -> my_session = NONE
    fi
  fi
}

inline do_number(m) {
  state[m] = numbered;
  counter[m] = next;
  next++
}

inline do_theft() {
  thefts--;
  say_handshake(1, THIEFS - 4); /* an installation of its own, 0 */
  handle_handshake(handshakes - 1);
  if
  :: true
  :: answer == served -> handle_record(sessions - 1, 0, PING, false)
  fi
}

init {
  row.generation = 1;
  issued.generation = 1;
  for (i : 0 .. SESSIONS - 1) { session[i] = absent }
  for (i : 0 .. GENERATIONS) {
    for (k : 0 .. COUNTERS - 1) { used[i].status[k] = unused; copied_used[i].status[k] = unused }
  }
  for (i : 0 .. MESSAGES - 1) { state[i] = queued }
  i = 0;
  k = 0;
  answer = 0;

  do
  :: atomic { (renewals > 0 || revocations > 0 || endings > 0 || broken_route) -> 
       if
       :: do_operator(); answer = 0; counter_status = 0
       :: skip
       fi }
  :: atomic { restores > 0 -> do_restore() }
  :: atomic { my_session == NONE && may_handshake && !(staged != 0 && may_install) ->
       do_handshake(); answer = 0; counter_status = 0 }
  :: atomic { staged != 0 && may_install && (staged_session != NONE || may_handshake) ->
       do_install(); answer = 0; counter_status = 0 }
  :: atomic { my_session != NONE && staged == 0 && state[0] == queued && next < COUNTERS -> do_number(0) }
#if MESSAGES > 1
  :: atomic { my_session != NONE && staged == 0 && state[1] == queued && next < COUNTERS -> do_number(1) }
#endif
  :: atomic { my_session != NONE && state[0] == numbered && records < RECORDS ->
       do_post(0, false); answer = 0; counter_status = 0 }
  :: atomic { my_session != NONE && state[0] == numbered && records < RECORDS && (staged != 0 || SCENARIO == ROUTE) ->
       do_post(0, true); answer = 0; counter_status = 0 }
#if MESSAGES > 1
  :: atomic { my_session != NONE && state[1] == numbered && records < RECORDS ->
       do_post(1, false); answer = 0; counter_status = 0 }
  :: atomic { my_session != NONE && state[1] == numbered && records < RECORDS && staged != 0 ->
       do_post(1, true); answer = 0; counter_status = 0 }
#endif
  :: atomic { my_session != NONE && session[my_session] == absent -> my_session = NONE }
  :: atomic { losses > 0 && staged != 0 && staged_session == NONE && ever_spoke < staged ->
       losses--; staged = 0; abandoned = true } /* the new credential's file is lost */
  :: atomic { thefts > 0 && may_handshake -> do_theft(); answer = 0; counter_status = 0 }
     /* the adversary */
  :: atomic { records > 0 ->
       i = 0;
       do
       :: i < records - 1 -> i++
       :: break
       od;
       handle_record(rec_session[i], rec_counter[i], rec_message[i], rec_withdraws[i]);
       i = 0; answer = 0; counter_status = 0 }
  :: atomic { handshakes > 0 ->
       i = 0;
       do
       :: i < handshakes - 1 -> i++
       :: break
       od;
       handle_handshake(i);
       i = 0; answer = 0; counter_status = 0 }
  od
}
