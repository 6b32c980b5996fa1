# bash completion for toolcell(1)

_toolcell_names() {
	toolcell "$1" list --json 2>/dev/null | grep -o '"name": *"[^"]*"' | sed 's/.*: *"//; s/"$//'
}

_toolcell_sessions() {
	toolcell sessions list --json 2>/dev/null | grep -o '"id":"[^"]*"' | sed 's/.*:"//; s/"$//'
}

_toolcell() {
	local cur prev words cword command i
	local commands='serve exec run changes sessions audit doctor policy agent tools help'
	local common='--help --color'

	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD-1]}
	command=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		serve|exec|run|changes|sessions|audit|doctor|policy|agent|tools|help)
			command=${COMP_WORDS[i]}
			break ;;
		esac
	done

	case $prev in
	-a|--agent)
		COMPREPLY=($(compgen -W "$(_toolcell_names agent)" -- "$cur") $(compgen -f -- "$cur"))
		return ;;
	-p|--policy)
		COMPREPLY=($(compgen -W "$(_toolcell_names policy)" -- "$cur") $(compgen -f -- "$cur"))
		return ;;
	-s|--session)
		COMPREPLY=($(compgen -W "new $(_toolcell_sessions)" -- "$cur"))
		return ;;
	--sessions)
		COMPREPLY=($(compgen -d -- "$cur"))
		return ;;
	--audit)
		COMPREPLY=($(compgen -W 'default off' -- "$cur") $(compgen -d -- "$cur"))
		return ;;
	-n|--last|-c|--call|--since|--expect)
		return ;;
	--overwrite)
		COMPREPLY=($(compgen -f -- "$cur"))
		return ;;
	-w|--workspace)
		COMPREPLY=($(compgen -d -- "$cur"))
		return ;;
	-r|--result)
		COMPREPLY=($(compgen -f -- "$cur"))
		return ;;
	--color)
		COMPREPLY=($(compgen -W 'auto always never' -- "$cur"))
		return ;;
	-f|--format)
		if [[ $command == tools ]]; then
			COMPREPLY=($(compgen -W 'mcp anthropic openai' -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'text json' -- "$cur"))
		fi
		return ;;
	-t|--timeout|--uid-range)
		return ;;
	esac

	case $command in
	'') COMPREPLY=($(compgen -W "$commands $common --version" -- "$cur")) ;;
	serve) COMPREPLY=($(compgen -W "$common --agent --policy --workspace --uid-range --session --sessions --audit" -- "$cur")) ;;
	exec)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W "$common --agent --policy --workspace --uid-range --session --sessions --audit --result --timeout --verbose" -- "$cur"))
		else
			COMPREPLY=($(compgen -c -- "$cur"))
		fi ;;
	run) COMPREPLY=($(compgen -W "$common --agent --policy --workspace --uid-range --session --sessions --audit --json --format" -- "$cur")) ;;
	changes)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W "$common --session --sessions --workspace --uid-range --stat --overwrite --yes --json" -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'list diff commit discard' -- "$cur") $(compgen -f -- "$cur"))
		fi ;;
	sessions) COMPREPLY=($(compgen -W "list resume discard snapshot rollback fork drop $common --sessions --uid-range --yes --json $(_toolcell_sessions)" -- "$cur")) ;;
	audit)
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W "$common --last --call --since --denied --expect --json" -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'verify show follow' -- "$cur") $(compgen -f -- "$cur"))
		fi ;;
	doctor) COMPREPLY=($(compgen -W "$common --workspace --uid-range --sessions --json" -- "$cur")) ;;
	policy) COMPREPLY=($(compgen -W "check show explain diff lint test learn suggest list schema import export $common --effective --path --syscall --host --tool --agent --workspace --strict --live --base --output --force --risky --verbose --name --accept --json $(_toolcell_names policy)" -- "$cur")) ;;
	agent) COMPREPLY=($(compgen -W "check show list $common --json $(_toolcell_names agent)" -- "$cur")) ;;
	tools) COMPREPLY=($(compgen -W "$common --agent --policy --format" -- "$cur")) ;;
	help) COMPREPLY=($(compgen -W "$commands" -- "$cur")) ;;
	esac
}

complete -F _toolcell toolcell
