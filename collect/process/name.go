package process

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names of groups that no program has.
const (
	kernelGroup = "[kernel]" // all kernel threads
	otherGroup  = "other"    // what has no group of its own
)

// namer finds the group of a process.
type namer struct{ files *reader }

// name returns the group of a process: its systemd unit, else its program. service says which of them.
func (n *namer) name(pid int, s stat) (group string, service bool) {
	if s.kernel {
		return kernelGroup, true
	}
	if text, err := n.files.file(pid, "cgroup"); err == nil {
		if unit := serviceOf(text); unit != "" {
			return unit, true
		}
	}
	args, err := n.files.commandLine(pid)
	if err != nil {
		args = nil // the command's name will do
	}
	return programName(s.comm, args), false
}

// maxComm is how much of a command's name the kernel keeps (TASK_COMM_LEN less the zero).
const maxComm = 15

// programName names what a process runs. It goes by the command's name and arguments, never by the executable file:
// Debian's redis-server, for one, is a link to another program.
func programName(comm string, args []string) string {
	name := comm
	if len(args) > 0 {
		base := path.Base(strings.TrimPrefix(args[0], "-")) // a login shell is "-bash"
		if len(comm) == maxComm && strings.HasPrefix(base, comm) {
			name, _, _ = strings.Cut(base, " ") // a title of its own making, "npm exec ...", begins with the name
		}
		if lang := interpreter(base); lang != "" && (interpreter(comm) == lang || renamesThreads(lang)) {
			return cleanName(interpreted(lang, args[1:]))
		}
		if lang := interpreter(comm); lang != "" {
			return cleanName(lang) // it has changed its title: the arguments are no arguments
		}
	}
	return cleanName(name)
}

// interpreter returns the language that a program runs, "" for any other program: python3.11 is python.
func interpreter(program string) string {
	name := strings.TrimRight(program, "0123456789.")
	name = strings.TrimSuffix(name, "-")
	switch name {
	case "python", "pypy", "java", "node", "nodejs", "ruby", "jruby", "perl", "php", "bash", "sh", "dash", "zsh", "ksh", "fish",
		"lua", "luajit", "Rscript", "tclsh", "dotnet", "mono", "bun", "deno", "guile", "racket", "escript", "groovy":
		return strings.TrimSuffix(name, "js")
	case "beam.smp", "beam":
		return "beam"
	}
	return ""
}

// renamesThreads lists the languages whose main thread takes a name of its own, which is then the command's name.
func renamesThreads(lang string) bool {
	return lang == "node" || lang == "java" || lang == "beam" || lang == "dotnet" || lang == "deno" || lang == "bun"
}

// interpreted names what an interpreter runs, out of its arguments.
func interpreted(lang string, args []string) string {
	switch lang {
	case "java":
		return javaName(args)
	case "beam":
		return beamName(args)
	case "bash", "sh", "dash", "zsh", "ksh", "fish":
		return scriptName(lang, args, "c", "")
	case "python", "pypy":
		return scriptName(lang, args, "c", "m")
	case "node":
		return scriptName(lang, args, "ep", "")
	case "deno", "bun":
		return scriptName(lang, skipVerb(args, "run"), "ep", "")
	case "dotnet":
		return scriptName(lang, skipVerb(args, "exec"), "", "")
	}
	return scriptName(lang, args, "e", "")
}

func skipVerb(args []string, verb string) []string {
	if len(args) > 0 && args[0] == verb {
		return args[1:]
	}
	return args
}

// scriptName finds the script among the arguments of an interpreter: the first that is no option. inline are the
// option letters that are followed by a program's text, module those followed by a module's name.
func scriptName(lang string, args []string, inline, module string) string {
	for i, a := range args {
		switch {
		case a == "" || a == "-" || a == "--":
			continue
		case strings.HasPrefix(a, "/dev/fd/") || strings.HasPrefix(a, "/proc/"): // it reads its script from a pipe
			return lang
		case a[0] != '-' && a[0] != '+':
			return lang + ":" + shortScript(a)
		case len(a) == 2 && strings.Contains(inline, a[1:]):
			return lang
		case len(a) == 2 && strings.Contains(module, a[1:]):
			if i+1 < len(args) {
				return lang + ":" + args[i+1]
			}
		case takesValue(lang, a):
			return scriptName(lang, args[min(i+2, len(args)):], inline, module)
		}
	}
	return lang
}

// takesValue tells options whose value is an argument of its own.
func takesValue(lang, option string) bool {
	switch lang {
	case "python", "pypy":
		return option == "-W" || option == "-X"
	case "node":
		return option == "-r" || option == "--require" || option == "--import" || option == "--loader"
	case "ruby", "perl":
		return option == "-I" || option == "-r"
	case "php":
		return option == "-c" || option == "-d"
	case "bash", "sh", "dash", "zsh", "ksh":
		return option == "-o" || option == "-O" || option == "--rcfile" || option == "--init-file"
	}
	return false
}

// shortScript is the script's name without its folder and ending, but with the folder when the name says nothing.
func shortScript(script string) string {
	base := path.Base(script)
	short := strings.TrimSuffix(base, path.Ext(base))
	switch short {
	case "index", "main", "app", "server", "manage", "run", "start", "__main__", "cli", "www", "worker", "Program":
		dir := path.Base(path.Dir(path.Clean(script)))
		switch dir {
		case "bin", "src", "dist", "lib", "build":
			dir = path.Base(path.Dir(path.Dir(path.Clean(script))))
		}
		if dir != "." && dir != "/" {
			return dir + "/" + short
		}
	case "":
		return base
	}
	return short
}

// javaName names a Java program by its jar or main class (the java command's manual, "Synopsis").
func javaName(args []string) string {
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-jar" || a == "-m" || a == "--module":
			if i+1 < len(args) {
				return "java:" + shortClass(args[i+1])
			}
		case a == "-cp" || a == "-classpath" || a == "--class-path" || a == "-p" || a == "--module-path" || a == "--add-modules" ||
			a == "--add-opens" || a == "--add-exports" || a == "--add-reads" || a == "--upgrade-module-path" || a == "--limit-modules" || a == "--patch-module":
			i++
		case strings.HasPrefix(a, "--module="):
			return "java:" + shortClass(strings.TrimPrefix(a, "--module="))
		case a != "" && a[0] != '-' && a[0] != '@':
			return "java:" + shortClass(a)
		}
	}
	return "java"
}

// shortClass turns org.apache.zookeeper.server.quorum.QuorumPeerMain into zookeeper, where we know better than the
// class's own name; a jar loses its folder, ending and version.
func shortClass(class string) string {
	if jar, ok := strings.CutSuffix(path.Base(class), ".jar"); ok {
		return withoutVersion(jar)
	}
	if _, main, ok := strings.Cut(class, "/"); ok { // module/class
		class = main
	}
	for _, known := range [...]struct{ prefix, name string }{
		{"org.apache.cassandra.", "cassandra"}, {"org.elasticsearch.", "elasticsearch"}, {"org.opensearch.", "opensearch"},
		{"org.apache.catalina.", "tomcat"}, {"org.apache.zookeeper.", "zookeeper"}, {"kafka.", "kafka"}, {"org.apache.solr.", "solr"},
		{"org.apache.activemq.", "activemq"}, {"org.logstash.", "logstash"}, {"org.neo4j.", "neo4j"}, {"org.jboss.", "jboss"},
		{"org.sonar.", "sonarqube"}, {"org.apache.hadoop.hbase.", "hbase"}, {"org.keycloak.", "keycloak"}, {"com.atlassian.jira.", "jira"},
		{"org.jruby.Main", "jruby"}, {"io.confluent.", "confluent"}, {"org.apache.flink.", "flink"}, {"org.apache.spark.", "spark"},
	} {
		if strings.HasPrefix(class, known.prefix) {
			return known.name
		}
	}
	return class[strings.LastIndexByte(class, '.')+1:]
}

// withoutVersion cuts "-1.2.3..." off: a new release is the same service.
func withoutVersion(name string) string {
	for i := 1; i+1 < len(name); i++ {
		if name[i] == '-' && name[i+1] >= '0' && name[i+1] <= '9' {
			return name[:i]
		}
	}
	return name
}

// beamName names what runs on Erlang's machine, out of its node's name or home.
func beamName(args []string) string {
	for i, a := range args {
		if (a == "-sname" || a == "-name") && i+1 < len(args) {
			node, _, _ := strings.Cut(args[i+1], "@")
			if node == "rabbit" {
				return "rabbitmq"
			}
			return node
		}
		if strings.Contains(a, "rabbitmq") {
			return "rabbitmq"
		}
	}
	return "beam"
}

// maxName bounds a group's name: it becomes a label of some twenty series.
const maxName = 64

// cleanName makes a label value of what a process calls itself, which is any bytes it likes.
func cleanName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
	for len(name) > maxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	switch name {
	case "":
		return "unknown"
	case otherGroup, kernelGroup: // nobody takes the names of ours
		return "'" + name + "'"
	}
	return name
}
