/*
 * login: collect --login ACCOUNT, collect --app ACCOUNT: posthouse oauth by the name under which the collector's people look
 * for it.
 */
#ifndef COLLECTOR_LOGIN_H
#define COLLECTOR_LOGIN_H

/* If these are the words ([-C DIR] --login|--app ACCOUNT [OPTION ...]): become libexec/oauth. Else nothing. */
void login_instead(char *const argv[]);

#endif
