#compdef toolcell
# zsh completion for toolcell(1)

_toolcell_names() {
	local -a names
	names=(${(f)"$(toolcell $1 list --json 2>/dev/null | grep -o '"name": *"[^"]*"' | sed 's/.*: *"//; s/"$//')"})
	compadd -a names
	_files
}

_toolcell_sessions() {
	local -a ids
	ids=(${(f)"$(toolcell sessions list --json 2>/dev/null | grep -o '"id":"[^"]*"' | sed 's/.*:"//; s/"$//')"})
	compadd -a ids
}

_toolcell() {
	local context state state_descr line
	typeset -A opt_args
	local -a common commands start keep audit
	common=(
		'(-h --help)'{-h,--help}'[show help and exit]'
		'--color[when to colour]:when:(auto always never)'
	)
	start=(
		'(-a --agent)'{-a,--agent}'[agent whose tools and policy hold]:agent:{_toolcell_names agent}'
		'(-p --policy)'{-p,--policy}'[policy instead of the agent'\''s]:policy:{_toolcell_names policy}'
		'(-w --workspace)'{-w,--workspace}'[directory to work on]:directory:_directories'
		'--uid-range[host uids that cells run under]:BASE\:COUNT:'
	)
	keep=(
		'(-s --session)'{-s,--session}'[session that keeps the changes]:session:{compadd new; _toolcell_sessions}'
		'--sessions[where sessions are kept]:directory:_directories'
	)
	audit=('--audit[folder of the audit log, default or off]:directory:_directories')
	commands=(
		'serve:answer a driver on standard input and output'
		'exec:run any command in a cell'
		'run:call one tool and print its result'
		'changes:look at, commit and discard what tools changed'
		'sessions:list, resume and discard sessions'
		'audit:verify, show and follow the audit log'
		'doctor:probe what this kernel and account can enforce'
		'policy:check, explain, compare and test policies'
		'agent:check, show and list agents'
		'tools:print the tools and their schemas'
		'help:show help'
	)

	_arguments -C $common '(-V --version)'{-V,--version}'[show the version and exit]' \
		'1:command:->command' '*::argument:->argument'
	case $state in
	command) _describe command commands ;;
	argument)
		case $words[1] in
		serve) _arguments $common $start $keep $audit ;;
		exec)
			_arguments $common $start $keep $audit \
				'(-v --verbose)'{-v,--verbose}'[say what was changed]' \
				'(-r --result)'{-r,--result}'[write the result object]:file:_files' \
				'(-t --timeout)'{-t,--timeout}'[shorter time limit]:time:' \
				'*::command:_normal' ;;
		run)
			_arguments $common $start $keep $audit \
				'(-j --json)'{-j,--json}'[arguments as one JSON object]:object:' \
				'(-f --format)'{-f,--format}'[what is printed]:format:(text json)' \
				'1:tool:' '*:argument:' ;;
		changes)
			_arguments $common $keep '1:verb:(list diff commit discard)' '*:path:_files' \
				'(-w --workspace)'{-w,--workspace}'[whose session is meant]:directory:_directories' \
				'--uid-range[host uids that cells run under]:BASE\:COUNT:' \
				'--stat[counts of lines]' '*--overwrite[commit over a conflict]:path:_files' \
				'(-y --yes)'{-y,--yes}'[do not ask]' '(-j --json)'{-j,--json}'[the result object]' ;;
		sessions)
			_arguments $common '1:verb:(list resume discard snapshot rollback fork drop)' \
				'*:session:_toolcell_sessions' '--sessions[where sessions are kept]:directory:_directories' \
				'--uid-range[host uids that cells run under]:BASE\:COUNT:' \
				'(-y --yes)'{-y,--yes}'[do not ask]' '(-j --json)'{-j,--json}'[JSON]' ;;
		audit)
			_arguments $common '1:verb:(verify show follow)' '*:log:_files' \
				'(-n --last)'{-n,--last}'[the last N records]:number:' \
				'(-c --call)'{-c,--call}'[records of one call]:call:' \
				'--since[from a time on]:time:' '(-d --denied)'{-d,--denied}'[what was refused]' \
				'--expect[a hash that must be there]:hash:' \
				'(-j --json)'{-j,--json}'[the records as they are]' ;;
		doctor)
			_arguments $common '(-j --json)'{-j,--json}'[one JSON object]' \
				'(-w --workspace)'{-w,--workspace}'[probe this file system]:directory:_directories' \
				'--sessions[probe this folder]:directory:_directories' \
				'--uid-range[probe these uids]:BASE\:COUNT:' ;;
		policy)
			_arguments $common '1:verb:(check show explain diff lint test learn suggest list schema import export)' '*:policy:{_toolcell_names policy}' \
				'(-b --base)'{-b,--base}'[learn, suggest, import\: the policy to build on]:policy:{_toolcell_names policy}' \
				'(-o --output)'{-o,--output}'[learn, suggest, import\: where the policy goes]:file:_files' \
				'--force[learn, suggest, import\: replace an existing file]' '--risky[learn, suggest\: also what has a risk]' \
				'(-v --verbose)'{-v,--verbose}'[learn\: show what the command writes]' \
				'--effective[with what it inherits]' '--json[JSON instead of text]' \
				'*--path[explain\: what may be done with it]:path:_files' '*--syscall[explain\: a system call]:call:' \
				'*--host[explain\: an address]:host:' '*--tool[explain\: a tool]:tool:' \
				'--agent[explain\: with its tools]:agent:{_toolcell_names agent}' \
				'--workspace[explain, learn, import, export\: the workspace meant]:directory:_directories' \
				'--strict[lint\: warnings count as errors]' '--live[test\: in a cell too]' \
				'--name[name of what is imported]:name:' '*--accept[a rule that cannot be expressed]:pointer:' ;;
		agent)
			_arguments $common '1:verb:(check show list)' '*:agent:{_toolcell_names agent}' \
				'--json[JSON instead of text]' ;;
		tools)
			_arguments $common '--agent[only what it is granted]:agent:{_toolcell_names agent}' \
				'--policy[with its limits]:policy:{_toolcell_names policy}' \
				'--format[as a host takes them]:format:(mcp anthropic openai)' ;;
		help) _describe command commands ;;
		esac ;;
	esac
}

_toolcell "$@"
