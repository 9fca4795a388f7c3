# Completion of minirun for bash. `minirun completion bash` prints this file; `make install` installs
# it where bash-completion finds it.
#
# minirun itself lists the possible words, so this file cannot become outdated.

# _minirun_split sets words to those up to the cursor. bash splits them at : and =, which are in the
# names of images and in flags; what follows a word without a space belongs to it.
_minirun_split() {
	local rest=${COMP_LINE:0:COMP_POINT} part i
	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		part=${COMP_WORDS[i]}
		if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
			words+=("")
			rest=${rest#"${rest%%[![:space:]]*}"}
		fi
		if [[ $rest == "$part"* ]]; then
			words[-1]+=$part
			rest=${rest#"$part"}
		else # the cursor is in this word
			words[-1]+=$rest
			rest=
		fi
	done
}

_minirun() {
	local words line word files='' space=1 current
	_minirun_split
	current=${words[-1]}
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:files) files=-f ;;
		:dirs) files=-d ;;
		:nospace) space= ;;
		*)
			word=${line%%$'\t'*}
			[[ $word == "$current"* ]] && COMPREPLY+=("$word")
			;;
		esac
	done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
	if [[ $files ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen $files -- "${current#--*=}")
	fi
	[[ $space ]] || compopt -o nospace 2>/dev/null
	# Of a word that bash splits, only the last part is replaced.
	local head=${current%"${current##*[:=]}"} i
	[[ $head && $COMP_WORDBREAKS == *[:=]* ]] || return 0
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"$head"}
	done
}

complete -F _minirun minirun
