/* SPDX-License-Identifier: MIT */
// Running the real forge.
#include "tests/tool_run.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

// The whole of an unlinked temporary file, which is closed.
static char *read_back(FILE *f) {
    char *text = NULL;
    size_t size = 0;
    fseek(f, 0, SEEK_SET);
    if (getdelim(&text, &size, 0, f) < 0) {
        free(text);
        text = calloc(1, 1);
    }
    ck_assert_ptr_nonnull(text);
    fclose(f);
    return text;
}

static void become_tool(const char *words, FILE *out, FILE *err) {
    const char *build = getenv("TNM_BUILD"), *emulator = getenv("TNM_EMULATOR");
    char *command;
    if (asprintf(&command, "exec %s%s/tnm %s", emulator != NULL ? emulator : "",
                 build != NULL ? build : "build", words) < 0)
        _exit(126);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

struct tool_run tool_run(const char *format, ...) {
    struct tool_run run;
    char words[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    FILE *out = tmpfile(), *err = tmpfile();
    ck_assert(out != NULL && err != NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        become_tool(words, out, err);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    run.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    run.out = read_back(out);
    run.err = read_back(err);
    return run;
}

void tool_free(struct tool_run *run) {
    free(run->out);
    free(run->err);
}
