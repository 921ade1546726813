# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion for tnm and tnmd in bash. It asks the programs themselves what they take: --help.

# The row of an option in a help text: "--data DIR  idx files ...".
_tnm_row() { # HELP OPTION
    sed -nE "s/^ +(-[a-z], +)?($2)([][ =]|\$)/\2\3/p" <<<"$1" | head -n 1
}

# Replies with what begins like the current word: of WORDS, or files whose name matches PATTERN
# (and folders, to look into).
_tnm_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current"); }
_tnm_files() { # PATTERN
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <({ compgen -d -- "$current"; compgen -f -X "!$1" -- "$current"; } | sort -u)
}

# What may stand where help says VALUE.
_tnm_value() { # VALUE
    case $1 in
    *\|*) _tnm_words "${1//|/ }" ;;
    LEVEL) _tnm_words "error warn info debug" ;;
    DIR) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    *.tnm*) _tnm_files '*.tnm' ;;
    FILE*) _tnm_files '*' ;;
    *) COMPREPLY=() ;; # a number, a name
    esac
}

# Completes for a help text; OPERANDS is what stands alone.
_tnm_complete() { # HELP OPERANDS
    local row option=${COMP_WORDS[COMP_CWORD - 1]} value
    # bash takes --keep=best apart into three words.
    [ "$current" != = ] || current=
    [ "$option" != = ] || option=${COMP_WORDS[COMP_CWORD - 2]}
    case $option in
    -o) row=$(sed -nE 's/^ +-o, +(--.*)/\1/p' <<<"$1") ;;
    --*) row=$(_tnm_row "$1" "$option") ;;
    esac
    value=${row#"$option"}
    [ "$option" != -o ] || value=${row#--* }
    if [ -n "$row" ] && [[ $value =~ ^=?\ ?([^ ]+)(\ |$) ]] && [[ $value != '  '* ]]; then
        [ "${value:0:1}" = '[' ] || { _tnm_value "${BASH_REMATCH[1]}"; return; }
    fi
    case ${current:-$2} in
    -*) _tnm_words "$(grep -oE '^ +(-[a-z], +)?--[a-z0-9-]+(, --help)?' <<<"$1" | grep -oE -- '--[a-z0-9-]+')" ;;
    *) _tnm_files "$2" ;;
    esac
}

_tnm() {
    local current=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} operands='*.tnm'
    if [ "$COMP_CWORD" = 1 ]; then
        _tnm_words "$("$program" --help | awk '/^  [a-z]/ { print $1 }') --help --version"
        return
    fi
    case ${COMP_WORDS[1]} in
    report) operands='*' ;;
    classify) [ "$COMP_CWORD" = 2 ] || operands='*' ;;
    esac
    _tnm_complete "$("$program" "${COMP_WORDS[1]}" --help 2>/dev/null)" "$operands"
}

_tnmd() {
    local current=${COMP_WORDS[COMP_CWORD]}
    _tnm_complete "$("${COMP_WORDS[0]}" --help)" -
}

complete -F _tnm tnm
complete -F _tnmd tnmd
