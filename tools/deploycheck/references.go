// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What DaemonSets and StatefulSets have in common.
type workload struct {
	name     string
	selector *metav1.LabelSelector
	template *corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
	service  string // of a StatefulSet
}

// What is wrong, collected while looking.
type checker struct {
	objects   map[string]object // by "Kind/name"
	workloads []workload
	wrong     []error
}

// The API server takes an object whose references lead nowhere; its pods then never start, or
// nothing reaches them.
func checkReferences(objects []object) []error {
	c := checker{objects: map[string]object{}}
	for _, o := range objects {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		c.objects[kind+"/"+o.GetName()] = o
		switch o := o.(type) {
		case *appsv1.DaemonSet:
			c.workloads = append(c.workloads, workload{name: kind + "/" + o.Name,
				selector: o.Spec.Selector, template: &o.Spec.Template})
		case *appsv1.StatefulSet:
			c.workloads = append(c.workloads, workload{name: kind + "/" + o.Name,
				selector: o.Spec.Selector, template: &o.Spec.Template,
				claims:  o.Spec.VolumeClaimTemplates,
				service: o.Spec.ServiceName})
		}
	}
	for _, w := range c.workloads {
		c.checkWorkload(w)
	}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Service:
			c.checkService(o)
		case *policyv1.PodDisruptionBudget:
			c.checkSelector("PodDisruptionBudget/"+o.Name, o.Spec.Selector)
		}
	}
	return c.wrong
}

func (c *checker) say(where, format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

func (c *checker) needs(where, kind, name string) object {
	found := c.objects[kind+"/"+name]
	if found == nil {
		c.say(where, "there is no %s %q", kind, name)
	}
	return found
}

func matches(selector *metav1.LabelSelector, w workload) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && !s.Empty() && s.Matches(labels.Set(w.template.Labels))
}

// checkSelector returns the workload that a selector chooses.
func (c *checker) checkSelector(where string, selector *metav1.LabelSelector) *workload {
	for i := range c.workloads {
		if matches(selector, c.workloads[i]) {
			return &c.workloads[i]
		}
	}
	c.say(where, "its selector chooses no pods")
	return nil
}

func (c *checker) checkWorkload(w workload) {
	pod := &w.template.Spec
	if !matches(w.selector, w) {
		c.say(w.name, "its selector does not choose its own pods")
	}
	if pod.ServiceAccountName != "" {
		c.needs(w.name, "ServiceAccount", pod.ServiceAccountName)
	}
	if pod.PriorityClassName != "" && !strings.HasPrefix(pod.PriorityClassName, "system-") {
		c.needs(w.name, "PriorityClass", pod.PriorityClassName)
	}
	if strings.HasPrefix(w.name, "StatefulSet/") {
		service, _ := c.needs(w.name, "Service", w.service).(*corev1.Service)
		if service != nil && service.Spec.ClusterIP != corev1.ClusterIPNone {
			c.say(w.name, "its service %s is not headless", w.service)
		}
	}
	for _, volume := range pod.Volumes {
		if volume.ConfigMap != nil {
			c.needs(w.name, "ConfigMap", volume.ConfigMap.Name)
		}
		if volume.Secret != nil && !optional(volume.Secret.Optional) {
			c.needs(w.name, "Secret", volume.Secret.SecretName)
		}
	}
	for i := range pod.Containers {
		c.checkContainer(w, &pod.Containers[i])
	}
}

func optional(flag *bool) bool {
	return flag != nil && *flag
}

func (c *checker) checkContainer(w workload, container *corev1.Container) {
	where := w.name + " container " + container.Name
	if container.Image == "" {
		c.say(where, "has no image")
	}
	volumes := map[string]bool{}
	for _, volume := range w.template.Spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, claim := range w.claims {
		volumes[claim.Name] = true
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			c.say(where, "mounts the volume %q, which there is not", mount.Name)
		}
	}
	for name, probe := range map[string]*corev1.Probe{"liveness": container.LivenessProbe,
		"readiness": container.ReadinessProbe, "startup": container.StartupProbe} {
		if probe != nil && probe.HTTPGet != nil && !hasPort(container, probe.HTTPGet.Port) {
			c.say(where, "its %s probe asks at the port %s, which it has not", name,
				probe.HTTPGet.Port.String())
		}
	}
	c.checkEnvironment(where, container)
}

func hasPort(container *corev1.Container, wanted intstr.IntOrString) bool {
	for _, port := range container.Ports {
		if wanted == intstr.FromString(port.Name) ||
			wanted == intstr.FromInt32(port.ContainerPort) {
			return true
		}
	}
	return false
}

var reference = regexp.MustCompile(`\$\((\w+)\)`)

func (c *checker) checkEnvironment(where string, container *corev1.Container) {
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef != nil && !optional(from.ConfigMapRef.Optional) {
			c.needs(where, "ConfigMap", from.ConfigMapRef.Name)
		}
		if from.SecretRef != nil && !optional(from.SecretRef.Optional) {
			c.needs(where, "Secret", from.SecretRef.Name)
		}
	}
	known := map[string]bool{}
	for _, variable := range container.Env {
		for _, match := range reference.FindAllStringSubmatch(variable.Value, -1) {
			if !known[match[1]] {
				c.say(where, "%s names %s, which is not set before it", variable.Name,
					match[0])
			}
		}
		if known[variable.Name] {
			c.say(where, "sets %s twice", variable.Name)
		}
		known[variable.Name] = true
	}
}

func (c *checker) checkService(service *corev1.Service) {
	where := "Service/" + service.Name
	w := c.checkSelector(where, &metav1.LabelSelector{MatchLabels: service.Spec.Selector})
	if w == nil {
		return
	}
	for _, port := range service.Spec.Ports {
		found := false
		for i := range w.template.Spec.Containers {
			found = found || hasPort(&w.template.Spec.Containers[i], port.TargetPort)
		}
		if !found {
			c.say(where, "its target %s is no port of %s", port.TargetPort.String(), w.name)
		}
	}
}
