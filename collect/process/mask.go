package process

import (
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// masked stands where a secret was.
const masked = "***"

// maxCommand bounds a command line that is shown, in bytes.
const maxCommand = 512

// secretWord finds the names of options and variables whose value is a secret.
var secretWord = regexp.MustCompile(`(?i)(pass(word|wd|phrase|code)?|pwd|secret|token|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key|auth(orization)?|bearer|cookie|session[-_.]?key|(^|[-_.])sas|signature|dsn|(^|[-_.])key)s?$`)

// secretText finds secrets inside an argument: user:password@ in a URL or connection string, name=value in one,
// and the credentials of an HTTP header.
var secretText = []struct {
	find    *regexp.Regexp
	replace string
}{
	{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*):[^/\s]*@`), "${1}:" + masked + "@"},
	{regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|cookie|x-[a-z0-9-]*(?:key|token|auth)[a-z0-9-]*)(\s*[:=]\s*).*`), "${1}${2}" + masked},
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[^\s'"]+`), "${1} " + masked},
	{regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s;&,'"]+)`), "${1}" + masked},
}

// shortSecret lists programs whose short option has a password in the same argument or the next, as mysql -pSECRET
// and redis-cli -a SECRET.
var shortSecret = map[string]string{
	"mysql": "p", "mysqldump": "p", "mysqladmin": "p", "mariadb": "p", "mariadb-dump": "p", "mariadb-admin": "p", "mysqlcheck": "p", "mysqlimport": "p",
	"redis-cli": "a", "sshpass": "p", "curl": "uU", "wget": "", "mongo": "p", "mongosh": "p", "mongodump": "p", "mongorestore": "p",
	"smbclient": "U", "ldapsearch": "w", "ldapadd": "w", "ldapmodify": "w", "sqlcmd": "P", "rabbitmqadmin": "p", "htpasswd": "", "openssl": "",
	"docker": "p", "podman": "p", "7z": "p", "7za": "p", "unrar": "p", "zip": "P", "unzip": "P", "ipmitool": "P", "snmpget": "AXc", "snmpwalk": "AXc",
}

// maskCommand joins a command line, with what looks like a secret replaced by ***. Secrets that look like nothing
// cannot be told from other arguments; whoever passes one so shows it to everybody on the machine.
func maskCommand(args []string) string {
	if len(args) == 0 {
		return ""
	}
	short := shortSecret[path.Base(args[0])]
	out := make([]string, 0, len(args))
	next := false // the next argument is a secret
	for i, a := range args {
		switch {
		case next:
			out = append(out, masked)
			next = false
		case i > 0:
			var text string
			text, next = maskArgument(a, short)
			out = append(out, text)
		default:
			out = append(out, maskText(a))
		}
	}
	return shorten(printable(strings.Join(out, " ")))
}

// maskArgument masks one argument and says whether the next is a secret.
func maskArgument(a, short string) (string, bool) {
	if len(a) >= 2 && a[0] == '-' && a[1] != '-' && strings.IndexByte(short, a[1]) >= 0 {
		if len(a) == 2 {
			// A lone -p makes mysql ask, and what follows is the database: better one word too many than a secret shown.
			return a, true
		}
		return a[:2] + masked, false
	}
	name, value, ok := strings.Cut(a, "=")
	if ok && value != "" && isName(name) && secretWord.MatchString(name) {
		return name + "=" + masked, false
	}
	if !ok && strings.HasPrefix(a, "-") && secretWord.MatchString(a) {
		return a, true
	}
	return maskText(a), false
}

func isName(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:+", r) {
			return false
		}
	}
	return s != ""
}

func maskText(s string) string {
	for _, t := range secretText {
		s = t.find.ReplaceAllString(s, t.replace)
	}
	return s
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

func shorten(s string) string {
	if len(s) <= maxCommand {
		return s
	}
	cut := maxCommand - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
