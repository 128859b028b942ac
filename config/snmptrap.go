package config

import (
	"fmt"

	"github.com/hulotte-dev/hulotte/ingest/snmptrap"
	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// SNMPTrap is what network devices notify of.
type SNMPTrap struct {
	Listen      string
	Communities []string
	Users       []snmpsession.Auth
	Rate        int
}

func snmpTrapKeys(t *SNMPTrap) []Key {
	return []Key{
		{Path: "ingest.snmp_trap.listen", value: addressOrNone(&t.Listen),
			Doc: "Where SNMP traps and informs are received over UDP, usually `:162`, which needs the right to listen there; empty for nowhere. They become log records with the label `job=\"snmp_trap\"`."},
		{Path: "ingest.snmp_trap.communities", value: list(&t.Communities),
			Doc: "The communities that are taken of versions 1 and 2c; all when empty."},
		{Path: "ingest.snmp_trap.users", value: entries[snmpsession.Auth]{&t.Users, "username: hulotte, password: ..., auth_protocol: SHA"}, Secret: true,
			Doc: "The users of version 3: `username`, `password`, `auth_protocol`, `priv_password`, `priv_protocol`. Version 3 is refused without one, and what is less protected than a user's passwords ask for too."},
		{Path: "ingest.snmp_trap.rate", value: integer(&t.Rate, 1, 1_000_000), Default: "100",
			Doc: "How many notifications a second of one device are taken in the long run."},
	}
}

// SNMPTrapOptions are those of the receiver.
func (c *Config) SNMPTrapOptions() snmptrap.Options {
	t := c.Ingest.SNMPTrap
	return snmptrap.Options{Communities: t.Communities, Users: t.Users, Rate: t.Rate}
}

func (c *Config) validateSNMPTrap(fail func(key, text string)) {
	for i, u := range c.Ingest.SNMPTrap.Users {
		u.Version = 3
		if err := u.Validate(); err != nil {
			fail("ingest.snmp_trap.users", fmt.Sprintf("[%d]: %v", i, err))
		}
	}
}
