package services

func corednsKind() Kind {
	return withOptions(Kind{
		Name: "coredns", Exporter: "CoreDNS' own page", Job: "coredns", Address: "127.0.0.1:9153",
		Doc:   "CoreDNS' own page in Prometheus' format: requests, answers, durations, cache, forwarding.",
		Setup: "Add the plugin `prometheus 127.0.0.1:9153` to the Corefile.",
	}, pageReader("/metrics", "add the plugin prometheus to the Corefile"))
}
