// Package cassandra runs a real Apache Cassandra 5.0 on this machine: one node or three, on 127.0.0.1, 127.0.0.2 and
// 127.0.0.3, for tests and for people who work on Hulotte. It is a development tool: nothing of it is in the product.
//
// The server comes from Maven Central (org.apache.cassandra:cassandra-all with what it depends on, 67 MB), is kept in the
// user's cache folder and started with a configuration that this package writes. Needed: a JDK or JRE 17, and Maven for
// the first start. Available says what is missing.
//
//	cluster, err := cassandra.Start(ctx, cassandra.Options{Nodes: 3})
//	defer cluster.Close()
//	session, err := cassandra.Connect(cluster.Config())
//
// What is always true: no server outlives the process that started it (the kernel kills it, on Linux), two clusters
// never share a port or a folder, and an acknowledged write survives the kill of the node (commitlog_sync: batch).
// Tests take their cluster from the package cassandratest.
package cassandra

// Version of Apache Cassandra that is run: the newest 5.0 on Maven Central when it was written here.
const Version = "5.0.9"
