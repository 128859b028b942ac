package snmp

import "github.com/hulotte-dev/hulotte/internal/snmpsession"

// vendor is who makes a device. Those with a kind make mostly that; those of networks make what forwards packets, whatever else it runs.
type vendor struct {
	name    string
	kind    string
	network bool
}

var oidEnterprises = snmpsession.MustOID("1.3.6.1.4.1")

// vendors are by their number in IANA's list of private enterprises, the first part of a sysObjectID below 1.3.6.1.4.1.
var vendors = map[uint32]vendor{
	2: {name: "IBM"}, 9: {name: "Cisco", network: true}, 11: {name: "HP"}, 42: {name: "Sun"}, 43: {name: "3Com", network: true}, 45: {name: "Nortel", network: true},
	171: {name: "D-Link", network: true}, 207: {name: "Allied Telesis", network: true}, 232: {name: "HPE", kind: "server"}, 236: {name: "Samsung"},
	253: {name: "Xerox", kind: "printer"}, 311: {name: "Microsoft", kind: "server"}, 318: {name: "APC"}, 367: {name: "Ricoh", kind: "printer"},
	476: {name: "Vertiv", kind: "ups"}, 534: {name: "Eaton", kind: "ups"}, 637: {name: "Nokia", network: true}, 641: {name: "Lexmark", kind: "printer"},
	674: {name: "Dell"}, 705: {name: "Eaton", kind: "ups"}, 789: {name: "NetApp", kind: "nas"}, 850: {name: "Tripp Lite", kind: "ups"},
	890: {name: "Zyxel", network: true}, 1248: {name: "Epson", kind: "printer"}, 1347: {name: "Kyocera", kind: "printer"}, 1588: {name: "Brocade", network: true},
	1602: {name: "Canon", kind: "printer"}, 1718: {name: "Server Technology", kind: "pdu"}, 1916: {name: "Extreme Networks", network: true},
	1991: {name: "Ruckus", network: true}, 2011: {name: "Huawei", network: true}, 2435: {name: "Brother", kind: "printer"}, 2604: {name: "Sophos", kind: "firewall"},
	2620: {name: "Check Point", kind: "firewall"}, 2636: {name: "Juniper", network: true}, 3097: {name: "WatchGuard", kind: "firewall"},
	3375: {name: "F5", kind: "load_balancer"}, 3717: {name: "Geist", kind: "pdu"}, 3808: {name: "CyberPower", kind: "ups"}, 3902: {name: "ZTE", network: true},
	4413: {name: "Broadcom", network: true}, 4526: {name: "Netgear", network: true}, 4881: {name: "Ruijie", network: true}, 5951: {name: "NetScaler", kind: "load_balancer"},
	6027: {name: "Dell", network: true}, 6486: {name: "Alcatel-Lucent Enterprise", network: true}, 6527: {name: "Nokia", network: true},
	6574: {name: "Synology", kind: "nas"}, 6876: {name: "VMware", kind: "server"}, 8072: {name: "Net-SNMP"}, 8691: {name: "Moxa", network: true},
	8741: {name: "SonicWall", kind: "firewall"}, 10704: {name: "Barracuda", kind: "firewall"}, 11863: {name: "TP-Link", network: true},
	12325: {name: "FreeBSD"}, 12356: {name: "Fortinet", kind: "firewall"}, 13742: {name: "Raritan", kind: "pdu"}, 14179: {name: "Cisco", kind: "wireless_controller", network: true},
	14823: {name: "Aruba", network: true}, 14988: {name: "MikroTik", kind: "router", network: true}, 18334: {name: "Konica Minolta", kind: "printer"},
	21067: {name: "Sophos", kind: "firewall"}, 24681: {name: "QNAP", kind: "nas"}, 25053: {name: "Ruckus", kind: "access_point", network: true},
	25461: {name: "Palo Alto Networks", kind: "firewall"}, 25506: {name: "H3C", network: true}, 26928: {name: "Extreme Networks", kind: "access_point", network: true},
	29671: {name: "Cisco Meraki", network: true}, 30065: {name: "Arista", network: true}, 30155: {name: "OpenBSD"}, 33049: {name: "NVIDIA", network: true},
	35265: {name: "Eltex", network: true}, 40310: {name: "Cumulus", network: true}, 41112: {name: "Ubiquiti", kind: "access_point", network: true},
	47196: {name: "HPE Aruba", network: true}, 50114: {name: "OPNsense", kind: "firewall"},
}

func vendorOf(is identity) vendor {
	n := len(oidEnterprises)
	if len(is.objectID) <= n || !is.objectID.Under(oidEnterprises) {
		return vendor{}
	}
	return vendors[is.objectID[n]]
}
