// SPDX-License-Identifier: Apache-2.0

// A client by MongoDB's own driver. usage: client PORT WORKERS OPERATIONS; tells how many commands it
// made, by name, and how many of them failed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/event"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

type counts struct {
	sync.Mutex
	Commands map[string]int `json:"commands"`
	Failed   int            `json:"failed"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work(items *mongo.Collection, worker, operations int) {
	ctx := context.Background()
	for i := range operations {
		id := worker*operations + i
		switch i % 4 {
		case 0:
			_, err := items.InsertOne(ctx, bson.D{{Key: "_id", Value: id}})
			check(err)
		case 1, 2:
			check(items.FindOne(ctx, bson.D{{Key: "_id", Value: id - i%4}}).Err())
		case 3:
			_, err := items.DeleteOne(ctx, bson.D{{Key: "_id", Value: id - 3}})
			check(err)
		}
	}
}

func main() {
	truth := counts{Commands: map[string]int{}}
	monitor := &event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			truth.Lock()
			truth.Commands[e.CommandName]++
			truth.Unlock()
		},
		Failed: func(_ context.Context, _ *event.CommandFailedEvent) {
			truth.Lock()
			truth.Failed++
			truth.Unlock()
		},
	}
	workers, err := strconv.Atoi(os.Args[2])
	check(err)
	operations, err := strconv.Atoi(os.Args[3])
	check(err)
	ctx := context.Background()
	client, err := mongo.Connect(ctx, options.Client().
		ApplyURI("mongodb://127.0.0.1:"+os.Args[1]).SetMonitor(monitor))
	check(err)
	items := client.Database("shop").Collection("items")
	check(items.Drop(ctx))
	var group sync.WaitGroup
	for worker := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			work(items, worker, operations)
		}()
	}
	group.Wait()
	check(items.Drop(ctx))
	check(client.Disconnect(ctx))
	check(json.NewEncoder(os.Stdout).Encode(&truth))
}
