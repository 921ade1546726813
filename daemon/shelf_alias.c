/* SPDX-License-Identifier: MIT */
// Further names for models.
#include "daemon/shelf_inside.h"

#include "core/error.h"
#include "daemon/log.h"

#include <stdio.h>
#include <string.h>

enum { ALIAS_BYTES = MAX_ALIASES * 2 * MODEL_NAME_BYTES };

static void remember_aliases(const struct shelf *shelf) {
    char text[ALIAS_BYTES + 1] = "";
    struct tnm_error err;
    for (size_t i = 0, len = 0; i < shelf->entries.n_aliases; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s %s\n",
                                shelf->entries.alias[i].name, shelf->entries.alias[i].model);
    if (!folder_remember(shelf->state, "aliases", text, &err))
        log_warn("cannot remember the aliases: %s", err.text);
}

void shelf_recall_aliases(struct shelf *shelf) {
    char text[ALIAS_BYTES + 1], alias[MODEL_NAME_BYTES], model[MODEL_NAME_BYTES], *rest = text;
    bool is_new;
    folder_recall_text(shelf->state, "aliases", text, sizeof text);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (sscanf(line, "%63s %63s", alias, model) == 2 && folder_name_fits(alias) &&
            folder_name_fits(model))
            (void)entries_set_alias(&shelf->entries, alias, model, &is_new);
}

static enum shelf_result set_alias(struct shelf *shelf, const char *alias, const char *model,
                                   bool *is_new, struct tnm_error *err) {
    const struct shelf_alias *known = entries_alias(&shelf->entries, alias);
    struct entry *before = known != NULL ? shelf_entry_called(shelf, alias) : NULL,
                 *entry = shelf_entry_called(shelf, model);
    const struct served *last = shelf->entries.before;
    if (!folder_name_fits(alias))
        return REFUSE(SHELF_BAD_NAME, err,
                      "\"%.64s\" is not 1 to 63 of A-Z a-z 0-9 . _ -, the first no dot", alias);
    if (known == NULL && (entries_find(&shelf->entries, alias) != NULL ||
                          (last != NULL && strcmp(last->name, alias) == 0)))
        return REFUSE(SHELF_IN_USE, err, "a model has the name %s", alias);
    if (entry == NULL)
        return shelf_unknown(model, err);
    if (entry->served == NULL)
        return REFUSE(SHELF_NOT_LOADED, err, "%s is not loaded", entry->name);
    if (!entries_set_alias(&shelf->entries, alias, entry->name, is_new)) {
        tnm_fail(err, TNM_ELIMIT, "there are %d aliases, and may not be more", MAX_ALIASES);
        return SHELF_REFUSED;
    }
    log_info("alias %s: %s", alias, entry->name);
    if (before != entry)
        shelf_bury(shelf, before);
    remember_aliases(shelf);
    return SHELF_DONE;
}

enum shelf_result shelf_set_alias(struct shelf *shelf, const char *alias, const char *model,
                                  bool *is_new, struct tnm_error *err) {
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result = set_alias(shelf, alias, model, is_new, err);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}

static enum shelf_result remove_alias(struct shelf *shelf, const char *alias,
                                      struct tnm_error *err) {
    if (entries_alias(&shelf->entries, alias) == NULL)
        return REFUSE(SHELF_UNKNOWN, err, "no alias \"%.64s\"", alias);
    struct entry *before = shelf_entry_called(shelf, alias);
    entries_remove_alias(&shelf->entries, alias);
    log_info("alias %s: removed", alias);
    shelf_bury(shelf, before);
    remember_aliases(shelf);
    shelf_look(shelf, alias, false); // a file of that name had to stand back
    return SHELF_DONE;
}

enum shelf_result shelf_remove_alias(struct shelf *shelf, const char *alias,
                                     struct tnm_error *err) {
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result = remove_alias(shelf, alias, err);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}
