/// The forms in which files hold credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AuthFormat {
    /// `auth.json` of the container tools (`containers-auth.json(5)`): `auths` and `credHelpers`.
    #[default]
    Containers,
    /// `config.json` of Docker. The `username`, `password` and `registrytoken` of an entry count if it has no
    /// `auth`, as they do for their owner, and `credsStore` names a helper for every registry.
    Docker,
    /// `.dockercfg`, Docker's form before 2015: the entries alone, for whole hosts only.
    DockerLegacy,
    /// The payload `.dockerconfigjson` of a Kubernetes secret of type `kubernetes.io/dockerconfigjson`: the
    /// form of Docker without helpers. `*` and `?` in a key stand within one label of the host.
    Kubernetes,
    /// The payload `.dockercfg` of a Kubernetes secret of type `kubernetes.io/dockercfg`: the same without
    /// `auths` around the entries.
    KubernetesLegacy,
}

impl AuthFormat {
    /// The form of the payload of a Kubernetes secret of this type; `None` if it is no pull secret.
    #[must_use]
    pub fn of_kubernetes_secret(secret_type: &str) -> Option<Self> {
        match secret_type {
            "kubernetes.io/dockerconfigjson" => Some(Self::Kubernetes),
            "kubernetes.io/dockercfg" => Some(Self::KubernetesLegacy),
            _ => None,
        }
    }

    /// True if the file may name helpers. A secret from elsewhere must not choose programs to run.
    pub(super) const fn has_helpers(self) -> bool {
        matches!(self, Self::Containers | Self::Docker)
    }

    /// True if the file consists of the entries alone, without `auths`.
    pub(super) const fn is_bare(self) -> bool {
        matches!(self, Self::DockerLegacy | Self::KubernetesLegacy)
    }

    /// True if logins are written to files of this form.
    pub(super) const fn is_written(self) -> bool {
        matches!(self, Self::Containers | Self::Docker)
    }
}
