// SPDX-License-Identifier: Apache-2.0

// Much of Go's runtime and library in one process, in many goroutines; what it prints is always the same.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"text/template"
)

type record struct {
	Name  string
	Parts map[string]float64
}

func work(n int) string {
	records := []record{}
	for i := 0; i < 200; i++ {
		parts := map[string]float64{}
		for k := 0; k < 5; k++ {
			parts[fmt.Sprintf("part-%d", k*n)] = float64(i) / float64(k+n+1)
		}
		records = append(records, record{fmt.Sprintf("r%03d", (i*7919+n)%1000), parts})
	}
	sort.Slice(records, func(a, b int) bool { return records[a].Name < records[b].Name })
	text, err := json.Marshal(records)
	check(err)
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	writer.Write(text)
	check(writer.Close())
	reader, err := gzip.NewReader(&packed)
	check(err)
	unpacked, err := io.ReadAll(reader)
	check(err)
	var back []record
	check(json.Unmarshal(unpacked, &back))
	names := regexp.MustCompile(`r(\d)\d+`).FindAllString(string(unpacked), -1)
	var page strings.Builder
	shown := template.Must(template.New("").Parse("{{range .}}{{.Name}} {{len .Parts}}\n{{end}}"))
	check(shown.Execute(&page, back))
	product := big.NewInt(int64(n + 1))
	for i := int64(2); i < 300; i++ {
		product.Mul(product, big.NewInt(i))
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(page.String()+strings.Join(names, ",")+product.String())))
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	var wait sync.WaitGroup
	results := make([]string, 40)
	for i := range results {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			results[i] = work(i)
			runtime.Gosched()
		}(i)
	}
	wait.Wait()
	runtime.GC()
	fmt.Println(strings.Join(results, "\n"))
}
