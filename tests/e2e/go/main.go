// Command controlplane is etcd, kube-apiserver, kube-controller-manager and kube-scheduler in one program: the first argument says which.
//
// They share most of their packages, so that one link costs little more than that of kube-apiserver alone.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var commands = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	if len(os.Args) < 2 {
		refuse("no part named")
	}
	part := os.Args[1]
	// Each part parses the program's arguments as its own.
	os.Args = append([]string{part}, os.Args[2:]...)
	if part == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	command, known := commands[part]
	if !known {
		refuse("unknown part " + part)
	}
	os.Exit(cli.Run(command()))
}

func refuse(what string) {
	fmt.Fprintln(os.Stderr, "controlplane: "+what+"; expected etcd, kube-apiserver, kube-controller-manager or kube-scheduler")
	os.Exit(2)
}
