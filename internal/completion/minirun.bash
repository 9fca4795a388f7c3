# Completion of minirun's commands, flags and bundles for bash. `make install`
# installs it where bash-completion finds it; to try it: . contrib/completion/minirun.bash
#
# minirun itself lists the possible words, so this file cannot become outdated.

_minirun() {
	local current=${COMP_WORDS[COMP_CWORD]} offered
	COMPREPLY=()
	if [[ $current == -* ]]; then
		offered=$(MINIRUN_COMPLETE=1 "${COMP_WORDS[@]:0:COMP_CWORD}" "$current" --generate-bash-completion 2>/dev/null)
	else
		offered=$(MINIRUN_COMPLETE=1 "${COMP_WORDS[@]:0:COMP_CWORD}" --generate-bash-completion 2>/dev/null)
	fi
	# Names only: some shells get "name:description".
	mapfile -t COMPREPLY < <(compgen -W "${offered//:*/}" -- "$current")
	# After build there may also be a context, and not only a subcommand.
	if [[ $current != -* && ${COMP_WORDS[COMP_CWORD-1]} == build ]]; then
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$current")
	fi
}

# Offer directories, for bundles, where minirun offers nothing.
complete -o default -o dirnames -F _minirun minirun
