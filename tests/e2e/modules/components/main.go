// Command components prints the manifest that `flux install --export` prints, made by Flux's own library.
//
// The module of the program `flux` lacks the manifests that its releases embed: they are built here from the folder that the module has
// (`manifests`), where the addresses of what the controllers publish are replaced by folders (see components.py).
//
//	components VERSION MANIFESTS CONTROLLER...
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fluxcd/flux2/v2/pkg/manifestgen/install"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	content, err := components(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "components:", err)
		os.Exit(1)
	}
	fmt.Print(content)
}

func components(version, manifests string, controllers []string) (string, error) {
	embedded, err := os.MkdirTemp("", "flux-manifests-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(embedded)
	folders := []string{"rbac", "policies"}
	for _, controller := range controllers {
		folders = append(folders, filepath.Join("bases", controller))
	}
	for _, folder := range folders {
		if err := build(filepath.Join(manifests, folder), filepath.Join(embedded, filepath.Base(folder)+".yaml")); err != nil {
			return "", err
		}
	}
	options := install.MakeDefaultOptions()
	options.Version, options.Components = version, controllers
	manifest, err := install.Generate(options, embedded)
	if err != nil {
		return "", err
	}
	return manifest.Content, nil
}

func build(folder, file string) error {
	options := krusty.MakeDefaultOptions()
	// As the command orders what a release embeds.
	options.Reorder = krusty.ReorderOptionLegacy
	built, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return err
	}
	content, err := built.AsYaml()
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}
