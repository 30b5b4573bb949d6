module sonde.test/workloads/mongo

go 1.25

require (
	github.com/FerretDB/FerretDB v1.24.2
	go.mongodb.org/mongo-driver v1.17.3
)
