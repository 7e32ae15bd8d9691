/*
 * events: the vocabulary of the log, every word once. posthouse-log(7) explains
 * each; a test compares the two.
 */
#ifndef LIB_BASE_EVENTS_H
#define LIB_BASE_EVENTS_H

#define EV_FATAL "program.fatal"             /* a program could not start or go on: text */
#define EV_WARNING "program.warning"         /* text */
#define EV_SANDBOX "program.sandbox"         /* a narrowing the kernel does not offer: what, reason */

#define EV_MASTER_STARTED "master.started"   /* service, pid */
#define EV_MASTER_DIED "master.died"         /* service, pid, status, again_s */
#define EV_MASTER_LISTEN "master.listen"     /* service, address, error when it failed */
#define EV_MASTER_STOPPED "master.stopped"   /* service, pid, status: it was told to */
#define EV_MASTER_RELOAD "master.reload"     /* result; error: the old settings stay */
#define EV_MASTER_LEFTOVERS "master.leftovers" /* processes: of a master that was killed, ended */
#define EV_MASTER_LOG_LOST "master.log_lost" /* lines: that could not be written to the log */

#define EV_SMTPD_CONNECT "smtpd.connect"     /* client, via: through whom it came */
#define EV_SMTPD_REFUSED "smtpd.refused"     /* client, code, reason */
#define EV_SMTPD_REJECT "smtpd.reject"       /* client, command, sender, rcpt, reply */
#define EV_SMTPD_RECEIVED "smtpd.received"   /* id, client, helo, sender, rcpts, octets, how, tls, cipher, cert, user, device */
#define EV_SMTPD_CONTENT "smtpd.content"     /* client, sender, by, rule, name: a rule refused the message; reason: its MIME cannot be read */
#define EV_SMTPD_LENIENT "smtpd.lenient"     /* client, lenient: what it does against the rules; once a session */
#define EV_SMTPD_ALIAS "smtpd.alias"         /* id, to, rcpts, rcpt */
#define EV_SMTPD_ETRN "smtpd.etrn"           /* client, node, messages: that are tried now; "-": not known yet */
#define EV_SMTPD_CALLOUT "smtpd.callout"     /* client, rcpt, reason: whether a server has this recipient cannot be told */
#define EV_SMTPD_DISCONNECT "smtpd.disconnect" /* client, why, messages */

#define EV_DNSBL_SUSPENDED "dnsbl.suspended" /* list, reason: its answers do not count for now */
#define EV_DNSBL_RESUMED "dnsbl.resumed"     /* list */
#define EV_MILTER_FAILED "milter.failed"     /* milter, at, reason, so, client, id: it could not be asked */
#define EV_MILTER_ACTION "milter.action"     /* milter, at, action, client, id, sender: reject, tempfail, reply, discard, shutdown */
#define EV_MILTER_CHANGED "milter.changed"   /* id, milter, headers, body, rcpts, sender, held */

#define EV_CALLOUT "callout.answer"           /* rcpt, answer, code, reply: a server was asked whether it has this recipient */
#define EV_QUOTA "quota.warned"               /* mailbox, percent, id: its owner got a letter */

#define EV_QUEUE_ACCEPTED "queue.accepted"   /* id, from, sender, rcpts, octets, how */
#define EV_QUEUE_DELIVERED "queue.delivered" /* id, rcpt, agent, to, reply */
#define EV_QUEUE_DEFERRED "queue.deferred"   /* id, rcpt, reply, next_s */
#define EV_QUEUE_FAILED "queue.failed"       /* id, rcpt, why, reply */
#define EV_QUEUE_REMOVED "queue.removed"     /* id, why */
#define EV_QUEUE_BOUNCED "queue.bounced"     /* id, as ("-": nobody to tell), sender, news: of the first recipient */
#define EV_QUEUE_STARTED "queue.started"     /* messages, held, bad, swept, ms */
#define EV_QUEUE_BAD "queue.bad"             /* id, reason: an envelope that does not parse; refused: also from, uid */
#define EV_QUEUE_HELD "queue.held"           /* id, by */
#define EV_QUEUE_LINK "queue.link"           /* state, by, messages: that are tried now */
#define EV_QUEUE_FLUSH "queue.flush"         /* domain, below, messages: that are tried now, ms */
#define EV_QUEUE_ALARM "queue.alarm"         /* what, id: a fault of our own configuration */

#define EV_REMOTE_CONNECT "remote.connect"   /* id, host, address, error */
#define EV_REMOTE_TLS "remote.tls"           /* host, reason, so: TLS came to nothing */
#define EV_AUTH_OK "auth.ok"                 /* login, mailbox, service, client */
#define EV_AUTH_FAILED "auth.failed"         /* login, service, client, reason */
#define EV_AUTH_RENEWED "auth.renewed"       /* mailbox: its password was right, and has a hash of today now */
#define EV_TLS_SESSION "tls.session"         /* client, service, version, cipher, sni, resumed; detail */
#define EV_TLS_FAILED "tls.failed"           /* client, service, reason: no handshake */
#define EV_TLS_CERTIFICATES "tls.certificates" /* pairs, usual: in use from now on */
#define EV_TLS_ALARM "tls.alarm"             /* text, reason: somebody has to look after a certificate */
#define EV_TLS_EXPIRES "tls.expires"         /* pair, hosts, hours, within_days: 14, 7, 1 days before a certificate's end, and then */
#define EV_TLS_RELOAD_REJECTED "tls.reload_rejected" /* reason: new files that are not good; the pairs from before are served */
#define EV_POP3_REFUSED "pop3d.refused"      /* client, limit, mailbox once it is known: over a limit of connections; reason: another one */
#define EV_POP3_DISCONNECT "pop3d.disconnect" /* client, why: it went without a login; detail */
#define EV_POP3_LOGIN "pop3d.login"          /* mailbox, client */
#define EV_POP3_LOGOUT "pop3d.logout"        /* mailbox, client, why, retrieved, deleted, octets */
#define EV_TOKEN_LOGIN "token.login"         /* account, flow, uid: who did it */
#define EV_TOKEN_RENEWED "token.renewed"     /* account, expires_s, rotated: a new refresh token came too */
#define EV_TOKEN_FAILED "token.failed"       /* account, reason, again_s */
#define EV_TOKEN_REFUSED "token.refused"     /* account, reason: a person must do something */
#define EV_TOKEN_ENDS "token.ends"           /* account, what, on: a secret or token will end */
#define EV_TOKEN_FORGOTTEN "token.forgotten" /* account, uid */
#define EV_COLLECT_MESSAGE "collect.message" /* account, uid, id, class, rcpts, evidence, header_cut */
#define EV_COLLECT_SERVING "collect.serving" /* parallel */
#define EV_COLLECT_DONE "collect.done"       /* account, messages, octets, ms, error */
#define EV_COLLECT_WAKE "collect.wake"       /* account, answer or error */
#define EV_COLLECT_ETRN "collect.etrn"       /* account, domain, result, pending, reply */
#define EV_COLLECT_RECOVERED "collect.recovered" /* account, failures, since */
#define EV_COLLECT_AUTH_FAILED "collect.auth_failed" /* account, reply */

#endif
