package services

func prometheusKind() Kind {
	return withOptions(Kind{
		Name: "prometheus", Exporter: "the service's own page", Job: "prometheus", Address: "127.0.0.1:9090",
		Doc: "A service's own page in Prometheus' text format, at `/metrics` or where the option `url` says.",
	}, pageReader("/metrics", "turn on the service's page of metrics"))
}
