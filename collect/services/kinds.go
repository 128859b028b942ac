package services

// allKinds is the one list of what can be read.
func allKinds() []Kind {
	return []Kind{
		apacheKind(),
		bindKind(),
		cassandraKind(),
		chronyKind(),
		corednsKind(),
		dovecotKind(),
		elasticsearchKind(),
		eximKind(),
		fail2banKind(),
		haproxyKind(),
		kafkaKind(),
		memcachedKind(),
		mongodbKind(),
		mosquittoKind(),
		mysqlKind(),
		natsKind(),
		nginxKind(),
		nutKind(),
		openldapKind(),
		phpfpmKind(),
		postfixKind(),
		postgresKind(),
		prometheusKind(),
		rabbitmqKind(),
		redisKind(),
		squidKind(),
		uwsgiKind(),
		varnishKind(),
		zookeeperKind(),
	}
}
