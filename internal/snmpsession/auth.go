package snmpsession

import (
	"fmt"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// Auth says who asks. The names are those of snmp_exporter's auths.
type Auth struct {
	Version       int    `yaml:"version,omitempty" json:"version,omitempty" doc:"1, 2 (for 2c) or 3; 2 when nothing is declared"`
	Community     string `yaml:"community,omitempty" json:"community,omitempty" doc:"community of versions 1 and 2c; public when nothing is declared"`
	SecurityLevel string `yaml:"security_level,omitempty" json:"security_level,omitempty" doc:"noAuthNoPriv, authNoPriv or authPriv; by the passwords when nothing is declared"`
	Username      string `yaml:"username,omitempty" json:"username,omitempty" doc:"user of version 3"`
	Password      string `yaml:"password,omitempty" json:"password,omitempty" doc:"authentication password of version 3"`
	AuthProtocol  string `yaml:"auth_protocol,omitempty" json:"auth_protocol,omitempty" doc:"MD5, SHA, SHA224, SHA256, SHA384 or SHA512; MD5 when nothing is declared"`
	PrivProtocol  string `yaml:"priv_protocol,omitempty" json:"priv_protocol,omitempty" doc:"DES, AES, AES192, AES256, AES192C or AES256C; DES when nothing is declared"`
	PrivPassword  string `yaml:"priv_password,omitempty" json:"priv_password,omitempty" doc:"privacy password of version 3"`
	ContextName   string `yaml:"context_name,omitempty" json:"context_name,omitempty" doc:"context of version 3"`
}

var authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
	"": gosnmp.MD5, "MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA224": gosnmp.SHA224, "SHA256": gosnmp.SHA256,
	"SHA384": gosnmp.SHA384, "SHA512": gosnmp.SHA512,
}

var privProtocols = map[string]gosnmp.SnmpV3PrivProtocol{
	"": gosnmp.DES, "DES": gosnmp.DES, "AES": gosnmp.AES, "AES192": gosnmp.AES192, "AES256": gosnmp.AES256,
	"AES192C": gosnmp.AES192C, "AES256C": gosnmp.AES256C,
}

// Validate says what is wrong, with the option's name.
func (a Auth) Validate() error { return a.apply(&gosnmp.GoSNMP{}) }

func (a Auth) level() (gosnmp.SnmpV3MsgFlags, error) {
	switch strings.ToLower(a.SecurityLevel) {
	case "noauthnopriv":
		return gosnmp.NoAuthNoPriv, nil
	case "authnopriv":
		return gosnmp.AuthNoPriv, nil
	case "authpriv":
		return gosnmp.AuthPriv, nil
	case "":
		switch {
		case a.PrivPassword != "":
			return gosnmp.AuthPriv, nil
		case a.Password != "":
			return gosnmp.AuthNoPriv, nil
		}
		return gosnmp.NoAuthNoPriv, nil
	}
	return 0, fmt.Errorf("security_level: %q is none: write noAuthNoPriv, authNoPriv or authPriv", a.SecurityLevel)
}

func (a Auth) apply(g *gosnmp.GoSNMP) error {
	switch a.Version {
	case 1:
		g.Version = gosnmp.Version1
	case 0, 2:
		g.Version = gosnmp.Version2c
	case 3:
		return a.applyV3(g)
	default:
		return fmt.Errorf("version: %d is none: write 1, 2 or 3", a.Version)
	}
	g.Community = a.Community
	if g.Community == "" {
		g.Community = "public"
	}
	return nil
}

func (a Auth) applyV3(g *gosnmp.GoSNMP) error {
	usm, flags, err := a.usm()
	if err != nil {
		return err
	}
	g.Version, g.SecurityModel, g.MsgFlags = gosnmp.Version3, gosnmp.UserSecurityModel, flags
	g.SecurityParameters, g.ContextName = usm, a.ContextName
	return nil
}

// User is what the library needs to know of a user of version 3.
func (a Auth) User() (*gosnmp.UsmSecurityParameters, error) {
	usm, _, err := a.usm()
	return usm, err
}

func (a Auth) usm() (*gosnmp.UsmSecurityParameters, gosnmp.SnmpV3MsgFlags, error) {
	flags, err := a.level()
	if err != nil {
		return nil, 0, err
	}
	if a.Username == "" {
		return nil, 0, fmt.Errorf("username: version 3 needs one")
	}
	usm := &gosnmp.UsmSecurityParameters{UserName: a.Username, AuthenticationProtocol: gosnmp.NoAuth, PrivacyProtocol: gosnmp.NoPriv}
	if flags&gosnmp.AuthNoPriv != 0 {
		protocol, ok := authProtocols[strings.ToUpper(a.AuthProtocol)]
		if !ok {
			return nil, 0, fmt.Errorf("auth_protocol: %q is none: write MD5, SHA, SHA224, SHA256, SHA384 or SHA512", a.AuthProtocol)
		}
		if len(a.Password) < 8 {
			return nil, 0, fmt.Errorf("password: it needs at least 8 characters (RFC 3414, 11.2)")
		}
		usm.AuthenticationProtocol, usm.AuthenticationPassphrase = protocol, a.Password
	}
	if flags == gosnmp.AuthPriv {
		protocol, ok := privProtocols[strings.ToUpper(a.PrivProtocol)]
		if !ok {
			return nil, 0, fmt.Errorf("priv_protocol: %q is none: write DES, AES, AES192, AES256, AES192C or AES256C", a.PrivProtocol)
		}
		if len(a.PrivPassword) < 8 {
			return nil, 0, fmt.Errorf("priv_password: it needs at least 8 characters (RFC 3414, 11.2)")
		}
		usm.PrivacyProtocol, usm.PrivacyPassphrase = protocol, a.PrivPassword
	}
	return usm, flags, nil
}
