package config

import (
	"time"

	"github.com/hulotte-dev/hulotte/check/nrpe"
)

// NRPE is where check_nrpe is answered.
type NRPE struct {
	Listen         string
	Config         string
	AllowedHosts   []string
	AllowArguments bool
	AllowShell     bool
	TLS            bool
	CertFile       string
	KeyFile        string
	CAFile         string
	ClientCerts    string
	CommandTimeout time.Duration
}

func nrpeKeys(n *NRPE) []Key {
	return []Key{
		{Path: "monitoring.nrpe.listen", value: addressOrNone(&n.Listen),
			Doc: "Where `check_nrpe` is answered, usually `:5666`; when empty, where the `nrpe.cfg` of `monitoring.nrpe.config` says, or nowhere. See [checks-nrpe.md](checks-nrpe.md)."},
		{Path: "monitoring.nrpe.config", value: text(&n.Config),
			Doc: "An `nrpe.cfg`, taken as it is; what is set here goes before what is set there."},
		{Path: "monitoring.nrpe.allowed_hosts", value: list(&n.AllowedHosts),
			Doc: "Addresses, networks and names that may ask; the default is 127.0.0.1 and ::1, or what the `nrpe.cfg` says."},
		{Path: "monitoring.nrpe.allow_arguments", value: boolean(&n.AllowArguments), Default: "false",
			Doc: "Whether who asks may give arguments to commands (`dont_blame_nrpe`)."},
		{Path: "monitoring.nrpe.allow_shell", value: boolean(&n.AllowShell), Default: "false",
			Doc: "Runs commands of the `nrpe.cfg` that only a shell can run by `/bin/sh`; arguments never reach them."},
		{Path: "monitoring.nrpe.tls", value: boolean(&n.TLS), Default: "true",
			Doc: "Speaks TLS, with the certificate of `server.tls` or one that is made at each start."},
		{Path: "monitoring.nrpe.cert_file", value: text(&n.CertFile),
			Doc: "A certificate for this server alone, instead of that of `server.tls`; a file in PEM form."},
		{Path: "monitoring.nrpe.key_file", value: text(&n.KeyFile),
			Doc: "Its private key."},
		{Path: "monitoring.nrpe.ca_file", value: text(&n.CAFile),
			Doc: "The authorities that the certificates of who asks must come from; a file in PEM form. See `monitoring.nrpe.client_certs`."},
		{Path: "monitoring.nrpe.client_certs", value: oneOf(&n.ClientCerts, "auto", "ask", "require"), Default: "auto",
			Doc: "Whether who asks must show a certificate of `monitoring.nrpe.ca_file`: `require`; `ask` takes who shows none and refuses a wrong one; `auto` requires one when `monitoring.nrpe.ca_file` is set, else does as the `nrpe.cfg` says (`ssl_client_certs`)."},
		{Path: "monitoring.nrpe.command_timeout", value: duration(&n.CommandTimeout), Default: "1m",
			Doc: "How long a command may take."},
	}
}

// Zabbix is where Zabbix' programs are answered.
type Zabbix struct {
	AgentListen   string
	TrapperListen string
	AllowedHosts  []string
	Hostname      string
	Servers       []string
	Folders       []string
	TLS           bool
}

func zabbixKeys(z *Zabbix) []Key {
	return []Key{
		{Path: "monitoring.zabbix.agent_listen", value: addressOrNone(&z.AgentListen),
			Doc: "Where Zabbix servers and `zabbix_get` are answered as by a Zabbix agent, usually `:10050`; empty for nowhere. See [checks-zabbix.md](checks-zabbix.md)."},
		{Path: "monitoring.zabbix.trapper_listen", value: addressOrNone(&z.TrapperListen),
			Doc: "Where the values of `zabbix_sender` and of active agents are taken, usually `:10051`; empty for nowhere."},
		{Path: "monitoring.zabbix.allowed_hosts", value: list(&z.AllowedHosts),
			Doc: "Addresses, networks and names that may ask and send; everybody who reaches the address when empty."},
		{Path: "monitoring.zabbix.hostname", value: text(&z.Hostname),
			Doc: "The name by which the Zabbix server knows this machine; its own name by default."},
		{Path: "monitoring.zabbix.servers", value: list(&z.Servers),
			Doc: "Zabbix servers (`zabbix.example.org:10051`) that are asked for active checks and get their values."},
		{Path: "monitoring.zabbix.folders", value: list(&z.Folders),
			Doc: "Folders in which the keys `vfs.file.*` may look."},
		{Path: "monitoring.zabbix.tls", value: boolean(&z.TLS), Default: "false",
			Doc: "Speaks TLS on both addresses, with the certificate of `server.tls`."},
	}
}

// NSCA is where send_nsca is answered.
type NSCA struct {
	Listen       string
	AllowedHosts []string
	Method       string
	Password     string
}

func passiveKeys(m *Monitoring) []Key {
	n := &m.NSCA
	return []Key{
		{Path: "monitoring.nsca.listen", value: addressOrNone(&n.Listen),
			Doc: "Where the results of `send_nsca` are taken, usually `:5667`; empty for nowhere. See [checks-passive.md](checks-passive.md)."},
		{Path: "monitoring.nsca.allowed_hosts", value: list(&n.AllowedHosts),
			Doc: "Addresses, networks and names that may send; everybody who reaches the address when empty."},
		{Path: "monitoring.nsca.method", value: text(&n.Method), Default: "xor",
			Doc: "NSCA's `decryption_method`, by number or name: `none`, `xor`, `des`, `3des`, `cast128`, `xtea`, `blowfish`, `twofish`, `aes`."},
		{Path: "monitoring.nsca.password", value: text(&n.Password), Secret: true,
			Doc: "NSCA's password."},
		{Path: "monitoring.command_file", value: text(&m.CommandFile),
			Doc: "A named pipe that takes Nagios' external commands, such as `/var/lib/hulotte/hulotte.cmd`; none when empty."},
	}
}

// NRPEOptions are those of the NRPE server; Address is empty when there is none.
func (c *Config) NRPEOptions() nrpe.ServerOptions {
	n := c.Monitoring.NRPE
	certFile, keyFile := c.Server.TLS.CertFile, c.Server.TLS.KeyFile
	if n.CertFile != "" || n.KeyFile != "" {
		certFile, keyFile = n.CertFile, n.KeyFile
	}
	certs := map[string]int{"ask": 1, "require": 2}[n.ClientCerts] // otherwise as the nrpe.cfg says
	if n.ClientCerts == "auto" && n.CAFile != "" {
		certs = 2
	}
	return nrpe.ServerOptions{
		Address: n.Listen, ConfigFile: n.Config, AllowedHosts: n.AllowedHosts, AllowArguments: n.AllowArguments, AllowShell: n.AllowShell,
		NoTLS: !n.TLS, CertFile: certFile, KeyFile: keyFile, CAFile: n.CAFile, ClientCerts: certs, CommandTimeout: n.CommandTimeout,
	}
}
