// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// checkDockerfile parses as the builder does, and looks at what only a build would find: names of
// stages, files of the context (the working directory), and images that may change at any time.
func checkDockerfile(path string) []error {
	file, err := os.Open(path)
	if err != nil {
		return []error{err}
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		return []error{err}
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return []error{err}
	}
	var wrong []error
	for _, warning := range parsed.Warnings {
		wrong = append(wrong, fmt.Errorf("%s", warning.Short))
	}
	known := map[string]bool{}
	for _, stage := range stages {
		wrong = append(wrong, checkBase(stage, known)...)
		for _, command := range stage.Commands {
			if c, ok := command.(*instructions.CopyCommand); ok {
				wrong = append(wrong, checkCopy(c, known)...)
			}
		}
		known[stage.Name] = true
	}
	return append(wrong, checkEntrypoint(stages[len(stages)-1])...)
}

func checkBase(stage instructions.Stage, known map[string]bool) []error {
	_, tag, _ := strings.Cut(stage.BaseName, ":")
	if known[stage.BaseName] || stage.BaseName == "scratch" || (tag != "" && tag != "latest") {
		return nil
	}
	return []error{fmt.Errorf("FROM %s: neither a stage nor an image of a version", stage.BaseName)}
}

func checkCopy(c *instructions.CopyCommand, known map[string]bool) (wrong []error) {
	if c.From != "" && !known[c.From] {
		return []error{fmt.Errorf("COPY --from=%s: there is no such stage before it", c.From)}
	}
	for _, source := range c.SourcePaths {
		if c.From != "" {
			continue
		}
		if _, err := os.Stat(source); err != nil {
			wrong = append(wrong, fmt.Errorf("COPY: %v", err))
		}
	}
	return wrong
}

// Signals reach the program only if no shell stands before it.
func checkEntrypoint(last instructions.Stage) []error {
	for _, command := range last.Commands {
		if e, ok := command.(*instructions.EntrypointCommand); ok && !e.PrependShell {
			return nil
		}
	}
	return []error{fmt.Errorf("the last stage has no ENTRYPOINT in the form of a list")}
}
