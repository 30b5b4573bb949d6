// SPDX-License-Identifier: Apache-2.0

// Checks what deploy/ holds, without a cluster and without a container engine.
//
//	deploycheck kustomize DIRECTORY    builds it, prints the objects as JSON, says what is wrong
//	deploycheck dockerfile FILE        parses it, says what is wrong
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func(path string) []error{
		"kustomize":  checkKustomization,
		"dockerfile": checkDockerfile,
	}
	if len(os.Args) != 3 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: deploycheck kustomize DIRECTORY | dockerfile FILE")
		os.Exit(2)
	}
	wrong := commands[os.Args[1]](os.Args[2])
	for _, err := range wrong {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[2], err)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
}
