# fish completion for toolcell(1)

function __toolcell_names
	toolcell $argv[1] list --json 2>/dev/null | string match -rag '"name": *"([^"]*)"'
end

function __toolcell_sessions
	toolcell sessions list --json 2>/dev/null | string match -rag '"id":"([^"]*)"'
end

set -l commands serve exec run changes sessions audit doctor policy agent tools help
complete -c toolcell -f
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -s V -l version -d 'Show the version'
complete -c toolcell -s h -l help -d 'Show help'
complete -c toolcell -l color -x -a 'auto always never' -d 'When to colour'

complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a serve -d 'Answer a driver on standard input and output'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a exec -d 'Run any command in a cell'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a run -d 'Call one tool and print its result'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a changes -d 'Look at, commit and discard changes'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a sessions -d 'List, resume and discard sessions'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a audit -d 'Verify, show and follow the audit log'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a doctor -d 'Probe what can be enforced here'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a policy -d 'Check, explain, compare and test policies'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a agent -d 'Check, show and list agents'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a tools -d 'Print the tools and their schemas'
complete -c toolcell -n "not __fish_seen_subcommand_from $commands" -a help -d 'Show help'

complete -c toolcell -n '__fish_seen_subcommand_from serve exec run' -s a -l agent -x -a '(__toolcell_names agent)' -d 'Agent'
complete -c toolcell -n '__fish_seen_subcommand_from serve exec run' -s p -l policy -x -a '(__toolcell_names policy)' -d 'Policy'
complete -c toolcell -n '__fish_seen_subcommand_from serve exec run changes doctor' -s w -l workspace -x -a '(__fish_complete_directories)' -d 'Workspace'
complete -c toolcell -n '__fish_seen_subcommand_from serve exec run changes sessions doctor' -l uid-range -x -d 'BASE:COUNT'
complete -c toolcell -n '__fish_seen_subcommand_from serve exec run changes' -s s -l session -x -a 'new (__toolcell_sessions)' -d 'Session'
complete -c toolcell -n '__fish_seen_subcommand_from serve exec run changes sessions doctor' -l sessions -x -a '(__fish_complete_directories)' -d 'Where sessions are kept'
complete -c toolcell -n '__fish_seen_subcommand_from changes' -a 'list diff commit discard'
complete -c toolcell -n '__fish_seen_subcommand_from changes' -F
complete -c toolcell -n '__fish_seen_subcommand_from changes' -l stat -d 'Counts of lines'
complete -c toolcell -n '__fish_seen_subcommand_from changes' -l overwrite -r -F -d 'Commit over a conflict'
complete -c toolcell -n '__fish_seen_subcommand_from changes sessions' -s y -l yes -d 'Do not ask'
complete -c toolcell -n '__fish_seen_subcommand_from changes sessions' -s j -l json -d 'JSON'
complete -c toolcell -n '__fish_seen_subcommand_from sessions' -a 'list resume discard snapshot rollback fork drop (__toolcell_sessions)'
complete -c toolcell -n '__fish_seen_subcommand_from serve exec run' -l audit -x -a 'default off (__fish_complete_directories)' -d 'Folder of the audit log'
complete -c toolcell -n '__fish_seen_subcommand_from audit' -a 'verify show follow'
complete -c toolcell -n '__fish_seen_subcommand_from audit' -F
complete -c toolcell -n '__fish_seen_subcommand_from audit' -s n -l last -x -d 'The last N records'
complete -c toolcell -n '__fish_seen_subcommand_from audit' -s c -l call -x -d 'Records of one call'
complete -c toolcell -n '__fish_seen_subcommand_from audit' -l since -x -d 'From a time on'
complete -c toolcell -n '__fish_seen_subcommand_from audit' -s d -l denied -d 'What was refused'
complete -c toolcell -n '__fish_seen_subcommand_from audit' -l expect -x -d 'A hash that must be there'
complete -c toolcell -n '__fish_seen_subcommand_from audit' -s j -l json -d 'The records as they are'
complete -c toolcell -n '__fish_seen_subcommand_from exec' -s v -l verbose -d 'Say what was changed'
complete -c toolcell -n '__fish_seen_subcommand_from exec' -s r -l result -r -F -d 'Write the result object'
complete -c toolcell -n '__fish_seen_subcommand_from exec' -s t -l timeout -x -d 'Shorter time limit'
complete -c toolcell -n '__fish_seen_subcommand_from exec' -a '(__fish_complete_subcommand)'
complete -c toolcell -n '__fish_seen_subcommand_from run' -s j -l json -x -d 'Arguments as one JSON object'
complete -c toolcell -n '__fish_seen_subcommand_from run' -s f -l format -x -a 'text json' -d 'What is printed'
complete -c toolcell -n '__fish_seen_subcommand_from doctor' -s j -l json -d 'One JSON object'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -a 'check show explain diff lint test learn suggest list schema (__toolcell_names policy)'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l effective -d 'With what it inherits'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l path -r -d 'Explain: what may be done with it'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l syscall -x -d 'Explain: a system call'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l host -x -d 'Explain: an address'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l tool -x -d 'Explain: a tool'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l agent -x -a '(__toolcell_names agent)' -d 'Explain: with its tools'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l workspace -x -a '(__fish_complete_directories)' -d 'Explain: the workspace'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l strict -d 'Lint: warnings count as errors'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l live -d 'Test: in a cell too'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -s b -l base -x -a '(__toolcell_names policy)' -d 'Learn, suggest: the policy to build on'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -s o -l output -r -d 'Learn, suggest: where the policy goes'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l force -d 'Learn, suggest: replace an existing file'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -l risky -d 'Learn, suggest: also what has a risk'
complete -c toolcell -n '__fish_seen_subcommand_from policy' -s v -l verbose -d 'Learn: show what the command writes'
complete -c toolcell -n '__fish_seen_subcommand_from policy agent' -l json -d 'JSON instead of text'
complete -c toolcell -n '__fish_seen_subcommand_from agent' -a 'check show list (__toolcell_names agent)'
complete -c toolcell -n '__fish_seen_subcommand_from tools' -l agent -x -a '(__toolcell_names agent)' -d 'Only what it is granted'
complete -c toolcell -n '__fish_seen_subcommand_from tools' -l policy -x -a '(__toolcell_names policy)' -d 'With its limits'
complete -c toolcell -n '__fish_seen_subcommand_from tools' -l format -x -a 'mcp anthropic openai' -d 'As a host takes them'
complete -c toolcell -n '__fish_seen_subcommand_from help' -a "$commands"
