// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// A named object of the built kustomization.
type object interface {
	metav1.Object
	runtime.Object
}

// checkKustomization builds the directory, decodes every object strictly (a field that its type does
// not have is an error), follows the references between them, and prints them all.
func checkKustomization(directory string) []error {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
		Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return []error{err}
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme,
		policyv1.AddToScheme, schedulingv1.AddToScheme} {
		utilruntime.Must(add(scheme))
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var texts []json.RawMessage
	var objects []object
	var wrong []error
	for _, resource := range built.Resources() {
		text, err := resource.MarshalJSON()
		if err != nil {
			return []error{err}
		}
		texts = append(texts, text)
		decoded, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s/%s: %w", resource.GetKind(),
				resource.GetName(), err))
			continue
		}
		objects = append(objects, decoded.(object))
	}
	wrong = append(wrong, checkReferences(objects)...)
	output := json.NewEncoder(os.Stdout)
	output.SetIndent("", " ")
	if err := output.Encode(texts); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
}
