package snmptrap

// notification is what a notification is called, and how grave it is.
type notification struct{ name, level string }

// notifications by their OID. The RFCs and MIBs stand beside them.
var notifications = map[string]notification{
	// SNMPv2-MIB, IF-MIB (RFC 3418, 2863)
	"1.3.6.1.6.3.1.1.5.1": {"coldStart", "warn"},
	"1.3.6.1.6.3.1.1.5.2": {"warmStart", "warn"},
	"1.3.6.1.6.3.1.1.5.3": {"linkDown", "error"},
	"1.3.6.1.6.3.1.1.5.4": {"linkUp", "info"},
	"1.3.6.1.6.3.1.1.5.5": {"authenticationFailure", "warn"},
	"1.3.6.1.6.3.1.1.5.6": {"egpNeighborLoss", "error"},
	// BRIDGE-MIB (RFC 4188)
	"1.3.6.1.2.1.17.0.1": {"newRoot", "warn"},
	"1.3.6.1.2.1.17.0.2": {"topologyChange", "warn"},
	// BGP4-MIB (RFC 4273)
	"1.3.6.1.2.1.15.0.1": {"bgpEstablishedNotification", "info"},
	"1.3.6.1.2.1.15.0.2": {"bgpBackwardTransNotification", "error"},
	"1.3.6.1.2.1.15.7.1": {"bgpEstablished", "info"},
	"1.3.6.1.2.1.15.7.2": {"bgpBackwardTransition", "error"},
	// OSPF-TRAP-MIB (RFC 4750)
	"1.3.6.1.2.1.14.16.2.1":  {"ospfVirtIfStateChange", "warn"},
	"1.3.6.1.2.1.14.16.2.2":  {"ospfNbrStateChange", "warn"},
	"1.3.6.1.2.1.14.16.2.16": {"ospfIfStateChange", "warn"},
	// VRRP-MIB (RFC 2787)
	"1.3.6.1.2.1.68.0.1": {"vrrpTrapNewMaster", "warn"},
	"1.3.6.1.2.1.68.0.2": {"vrrpTrapAuthFailure", "warn"},
	// ENTITY-MIB (RFC 6933)
	"1.3.6.1.2.1.47.2.0.1": {"entConfigChange", "info"},
	// UPS-MIB (RFC 1628)
	"1.3.6.1.2.1.33.2.0.1": {"upsTrapOnBattery", "error"},
	"1.3.6.1.2.1.33.2.0.2": {"upsTrapTestCompleted", "info"},
	"1.3.6.1.2.1.33.2.0.3": {"upsTrapAlarmEntryAdded", "error"},
	"1.3.6.1.2.1.33.2.0.4": {"upsTrapAlarmEntryRemoved", "info"},
	// Printer-MIB (RFC 3805)
	"1.3.6.1.2.1.43.18.2.0.1": {"printerV2Alert", "warn"},
	// LLDP-MIB (IEEE 802.1AB)
	"1.0.8802.1.1.2.0.0.1": {"lldpRemTablesChange", "info"},
	// RMON-MIB (RFC 2819)
	"1.3.6.1.2.1.16.0.1": {"risingAlarm", "warn"},
	"1.3.6.1.2.1.16.0.2": {"fallingAlarm", "info"},
	// NET-SNMP-AGENT-MIB
	"1.3.6.1.4.1.8072.4.0.2": {"nsNotifyShutdown", "warn"},
	"1.3.6.1.4.1.8072.4.0.3": {"nsNotifyRestart", "warn"},
	// CISCO-CONFIG-MAN-MIB, CISCO-ENVMON-MIB, CISCO-STACK
	"1.3.6.1.4.1.9.9.43.2.0.1": {"ciscoConfigManEvent", "info"},
	"1.3.6.1.4.1.9.9.13.3.0.3": {"ciscoEnvMonTemperatureNotification", "error"},
	"1.3.6.1.4.1.9.9.13.3.0.4": {"ciscoEnvMonFanNotification", "error"},
	"1.3.6.1.4.1.9.9.13.3.0.5": {"ciscoEnvMonRedundantSupplyNotification", "error"},
	// PowerNet-MIB (APC)
	"1.3.6.1.4.1.318.0.5":  {"upsOnBattery", "error"},
	"1.3.6.1.4.1.318.0.7":  {"lowBattery", "critical"},
	"1.3.6.1.4.1.318.0.9":  {"powerRestored", "info"},
	"1.3.6.1.4.1.318.0.11": {"returnFromLowBattery", "info"},
}

// objects by their OID without the index.
var objects = map[string]string{
	// SNMPv2-MIB (RFC 3418)
	"1.3.6.1.2.1.1.1": "sysDescr", "1.3.6.1.2.1.1.2": "sysObjectID", "1.3.6.1.2.1.1.3": "sysUpTime", "1.3.6.1.2.1.1.4": "sysContact",
	"1.3.6.1.2.1.1.5": "sysName", "1.3.6.1.2.1.1.6": "sysLocation",
	"1.3.6.1.6.3.1.1.4.3": "snmpTrapEnterprise", "1.3.6.1.6.3.18.1.3": "snmpTrapAddress", "1.3.6.1.6.3.18.1.4": "snmpTrapCommunity",
	// IF-MIB (RFC 2863)
	"1.3.6.1.2.1.2.2.1.1": "ifIndex", "1.3.6.1.2.1.2.2.1.2": "ifDescr", "1.3.6.1.2.1.2.2.1.3": "ifType", "1.3.6.1.2.1.2.2.1.5": "ifSpeed",
	"1.3.6.1.2.1.2.2.1.6": "ifPhysAddress", "1.3.6.1.2.1.2.2.1.7": "ifAdminStatus", "1.3.6.1.2.1.2.2.1.8": "ifOperStatus",
	"1.3.6.1.2.1.31.1.1.1.1": "ifName", "1.3.6.1.2.1.31.1.1.1.18": "ifAlias",
	// BGP4-MIB, OSPF, BRIDGE
	"1.3.6.1.2.1.15.3.1.2": "bgpPeerState", "1.3.6.1.2.1.15.3.1.7": "bgpPeerRemoteAddr", "1.3.6.1.2.1.15.3.1.14": "bgpPeerLastError",
	"1.3.6.1.2.1.14.10.1.1": "ospfNbrIpAddr", "1.3.6.1.2.1.14.10.1.6": "ospfNbrState",
	// UPS-MIB (RFC 1628)
	"1.3.6.1.2.1.33.1.2.2": "upsSecondsOnBattery", "1.3.6.1.2.1.33.1.2.3": "upsEstimatedMinutesRemaining",
	"1.3.6.1.2.1.33.1.6.2.1.2": "upsAlarmDescr", "1.3.6.1.2.1.33.1.9.7": "upsConfigLowBattTime",
	// Printer-MIB, RMON-MIB
	"1.3.6.1.2.1.43.18.1.1.8": "prtAlertDescription", "1.3.6.1.2.1.43.18.1.1.2": "prtAlertSeverityLevel",
	"1.3.6.1.2.1.16.3.1.1.1": "alarmIndex", "1.3.6.1.2.1.16.3.1.1.5": "alarmValue",
	// PowerNet-MIB
	"1.3.6.1.4.1.318.2.3.3": "mtrapargsString",
}

// enums are the names of numbers, by object.
var enums = map[string]map[int]string{
	"ifAdminStatus": {1: "up", 2: "down", 3: "testing"},
	"ifOperStatus":  {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown"},
	"bgpPeerState":  {1: "idle", 2: "connect", 3: "active", 4: "opensent", 5: "openconfirm", 6: "established"},
	"ospfNbrState":  {1: "down", 2: "attempt", 3: "init", 4: "twoWay", 5: "exchangeStart", 6: "exchange", 7: "loading", 8: "full"},
}
