# bash completion of latentctl and latentd. Nothing is listed here: latentctl says itself what may stand next, and the
# help of latentd names its options and what they take.
# Installed as .../bash-completion/completions/latentctl; to try it: . deploy/completions/latentctl.bash

_latentctl() {
    local cur prev words cword candidate about
    _init_completion -n : || return
    while IFS=$'\t' read -r candidate about; do
        case $candidate in
        :file) _filedir ;;
        :directory) _filedir -d ;;
        *) COMPREPLY+=("$candidate") ;;
        esac
    done < <("${words[0]}" complete "${words[@]:1:cword}" 2>/dev/null)
    __ltrim_colon_completions "$cur"
} && complete -F _latentctl latentctl

_latentd() {
    local cur prev words cword
    _init_completion || return
    local takes
    takes=$("${words[0]}" --help 2>/dev/null | sed -n "s/^ *$prev \([A-Z:]*\) .*/\1/p")
    case $prev:$takes in
    --durability:*) COMPREPLY=($(compgen -W "group sync relaxed" -- "$cur")) ;;
    --latent-type:*) COMPREPLY=($(compgen -W "i8 f16" -- "$cur")) ;;
    --weights:*) COMPREPLY=($(compgen -W "int8 f16" -- "$cur")) ;;
    --log-level:*) COMPREPLY=($(compgen -W "debug info warning error" -- "$cur")) ;;
    *:FILE | *:PATH) _filedir ;;
    *:DIR) _filedir -d ;;
    *:?*) ;;
    *) COMPREPLY=($(compgen -W "$("${words[0]}" --help 2>/dev/null | grep -o -e '--[a-z][a-z-]*')" -- "$cur")) ;;
    esac
} && complete -F _latentd latentd
