/* Theory of operation: a table, by name; a search through it is nothing beside a search through files. */
#include "tools/cell/files/types.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static const struct {
	const char *name;
	const char *globs; /* blanks between */
} types[] = {
	{"ada", "*.adb *.ads"},
	{"asciidoc", "*.adoc *.asc *.asciidoc"},
	{"asm", "*.asm *.s *.S"},
	{"awk", "*.awk"},
	{"bazel", "*.bazel *.bzl *.BUILD BUILD MODULE.bazel WORKSPACE WORKSPACE.bazel"},
	{"c", "*.[chH] *.[chH].in *.cats"},
	{"clojure", "*.clj *.cljc *.cljs *.cljx"},
	{"cmake", "*.cmake CMakeLists.txt"},
	{"cpp", "*.[ChH] *.cc *.[ch]pp *.[ch]xx *.hh *.inl *.[ChH].in *.cc.in *.[ch]pp.in "
		"*.[ch]xx.in *.hh.in"},
	{"cs", "*.cs"},
	{"csharp", "*.cs"},
	{"css", "*.css *.scss"},
	{"csv", "*.csv"},
	{"cuda", "*.cu *.cuh"},
	{"cython", "*.pyx *.pxi *.pxd"},
	{"d", "*.d"},
	{"dart", "*.dart"},
	{"diff", "*.patch *.diff"},
	{"docker", "*Dockerfile*"},
	{"elisp", "*.el"},
	{"elixir", "*.ex *.eex *.exs *.heex *.leex *.livemd"},
	{"elm", "*.elm"},
	{"erlang", "*.erl *.hrl"},
	{"fish", "*.fish"},
	{"fortran", "*.f *.F *.f77 *.F77 *.pfo *.f90 *.F90 *.f95 *.F95"},
	{"fsharp", "*.fs *.fsx *.fsi"},
	{"go", "*.go"},
	{"gradle", "*.gradle *.gradle.kts"},
	{"graphql", "*.graphql *.graphqls"},
	{"groovy", "*.groovy *.gradle"},
	{"h", "*.h *.hh *.hpp"},
	{"haskell", "*.hs *.lhs *.cpphs *.c2hs *.hsc"},
	{"html", "*.htm *.html *.ejs"},
	{"ini", "*.ini *.cfg"},
	{"java", "*.java *.jsp *.jspx *.properties"},
	{"js", "*.js *.jsx *.vue *.cjs *.mjs"},
	{"json", "*.json composer.lock *.sarif"},
	{"jsonl", "*.jsonl"},
	{"julia", "*.jl"},
	{"jupyter", "*.ipynb *.jpynb"},
	{"kotlin", "*.kt *.kts"},
	{"less", "*.less"},
	{"lisp", "*.el *.jl *.lisp *.lsp *.sc *.scm"},
	{"log", "*.log"},
	{"lua", "*.lua"},
	{"m4", "*.ac *.m4"},
	{"make", "[Gg][Nn][Uu]makefile [Mm]akefile [Gg][Nn][Uu]makefile.am [Mm]akefile.am "
		 "[Gg][Nn][Uu]makefile.in [Mm]akefile.in *.mk *.mak"},
	{"man", "*.[0-9lnpx] *.[0-9][cEFMmpSx]"},
	{"markdown", "*.markdown *.md *.mdown *.mdwn *.mdx *.mkd *.mkdn"},
	{"matlab", "*.m"},
	{"md", "*.markdown *.md *.mdown *.mdwn *.mdx *.mkd *.mkdn"},
	{"meson", "meson.build meson_options.txt meson.options"},
	{"nim", "*.nim *.nimf *.nimble *.nims"},
	{"nix", "*.nix"},
	{"objc", "*.h *.m"},
	{"objcpp", "*.h *.mm"},
	{"ocaml", "*.ml *.mli *.mll *.mly"},
	{"org", "*.org *.org_archive"},
	{"perl", "*.perl *.pl *.PL *.plh *.plx *.pm *.t"},
	{"php", "*.php *.php3 *.php4 *.php5 *.php7 *.php8 *.pht *.phtml"},
	{"po", "*.po"},
	{"prolog", "*.pl *.pro *.prolog *.P"},
	{"protobuf", "*.proto"},
	{"ps", "*.cdxml *.ps1 *.ps1xml *.psd1 *.psm1"},
	{"py", "*.py *.pyi"},
	{"python", "*.py *.pyi"},
	{"qml", "*.qml"},
	{"r", "*.R *.r *.Rmd *.Rnw"},
	{"rst", "*.rst"},
	{"ruby", "config.ru Gemfile .irbrc Rakefile *.gemspec *.rb *.rbw"},
	{"rust", "*.rs"},
	{"sass", "*.sass *.scss"},
	{"scala", "*.scala *.sbt"},
	{"sh", "*.bash *.bashrc .bash_login .bash_logout .bash_profile .bashrc .cshrc .kshrc "
	       ".login .logout .profile .tcshrc .zlogin .zlogout .zprofile .zshenv .zshrc *.csh "
	       "*.env *.ksh *.sh *.tcsh *.zsh bash_login bash_logout bash_profile bashrc profile "
	       "zlogin zlogout zprofile zshenv zshrc"},
	{"solidity", "*.sol"},
	{"sql", "*.sql *.psql"},
	{"svelte", "*.svelte"},
	{"svg", "*.svg"},
	{"swift", "*.swift"},
	{"systemd", "*.automount *.conf *.device *.link *.mount *.path *.scope *.service *.slice "
		    "*.socket *.swap *.target *.timer"},
	{"tcl", "*.tcl"},
	{"tex", "*.tex *.ltx *.cls *.sty *.bib *.dtx *.ins"},
	{"tf", "*.tf *.auto.tfvars terraform.tfvars *.tf.json *.tfrc terraform.rc .terraformrc"},
	{"thrift", "*.thrift"},
	{"toml", "*.toml Cargo.lock"},
	{"ts", "*.ts *.tsx *.cts *.mts"},
	{"txt", "*.txt"},
	{"typescript", "*.ts *.tsx *.cts *.mts"},
	{"vb", "*.vb"},
	{"verilog", "*.v *.vh *.sv *.svh"},
	{"vhdl", "*.vhd *.vhdl"},
	{"vim", "*.vim .vimrc .gvimrc vimrc gvimrc _vimrc _gvimrc"},
	{"vue", "*.vue"},
	{"wgsl", "*.wgsl"},
	{"xml", "*.xml *.xml.dist *.dtd *.xsl *.xslt *.xsd *.xjb *.rng *.sch *.xhtml"},
	{"yaml", "*.yaml *.yml"},
	{"zig", "*.zig"},
	{"zsh", ".zshenv .zlogin .zlogout .zprofile .zshrc *.zsh zshenv zlogin zlogout zprofile "
		"zshrc"},
};

const char *types_name(size_t i)
{
	return i < ARRAY_SIZE(types) ? types[i].name : NULL;
}

int types_add(const char *name, struct globs *globs)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int r;

		if (strcmp(types[i].name, name) != 0)
			continue;
		r = globs_add_list(globs, types[i].globs, strlen(types[i].globs), NULL);
		if (r == 0)
			globs_ready(globs);
		return r;
	}
	return -ENOENT;
}

int types_suggest(const char *name, struct buf *ret)
{
	const char *names[ARRAY_SIZE(types)];
	const char *near = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		names[i] = types[i].name;
		/* An ending instead of a name: "rs". */
		if (!near && name[0] && strlen(name) < 16) {
			char glob[32] = "*.";
			const char *at;

			memcpy(glob + 2, name, strlen(name) + 1);
			at = strstr(types[i].globs, glob);
			if (at && (at[strlen(glob)] == ' ' || at[strlen(glob)] == '\0'))
				near = names[i];
		}
	}
	if (!near)
		near = text_nearest(name, names, ARRAY_SIZE(types));
	if (near)
		r = buf_printf(ret, " Did you mean \"%s\"?", near);
	if (r == 0)
		r = buf_puts(ret, " Known types:");
	for (size_t i = 0; i < ARRAY_SIZE(types) && r == 0; i++)
		r = buf_printf(ret, " %s", names[i]);
	return r == 0 ? buf_puts(ret, ". For any other use glob.") : r;
}
