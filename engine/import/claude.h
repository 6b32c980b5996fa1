/* Permission rules of Claude Code: "Tool", "Tool(what)". Internal to import/. */
#ifndef TOOLCELL_IMPORT_CLAUDE_H
#define TOOLCELL_IMPORT_CLAUDE_H

#include "import/context.h"

enum claude_list { CLAUDE_DENY, CLAUDE_ASK, CLAUDE_ALLOW };

/** claude_whole_tools - first pass over a list: rules that refuse a tool as a whole take it away */
MUST_USE int claude_whole_tools(struct import *im, json_t *list);

/** claude_rules - every rule of a list; @only: what is not allowed is refused ("dontAsk") */
MUST_USE int claude_rules(struct import *im, json_t *list, enum claude_list which, bool only,
			  const char *pointer);

/** claude_take_away - tools that Claude Code would call @name.  Return: how many, or -errno. */
MUST_USE int claude_take_away(struct import *im, const char *name);

/** claude_keep_allowed - take away what no rule of @list allows; tools that read ask nobody and stay */
MUST_USE int claude_keep_allowed(struct import *im, json_t *list);

#endif
