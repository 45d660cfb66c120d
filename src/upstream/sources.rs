//! Where credentials come from: the chain of the AWS SDK, and roles that are assumed on top of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};

use super::identity::Identity;

/// The name under which the gateway appears in the logs of a role's account.
const SESSION: &str = "bedrock-inference";

/// The gateway's own identity, and every role that was assumed so far.
#[derive(Debug)]
pub(super) struct Identities {
    own: Identity,
    /// How STS is called.
    sts: SdkConfig,
    roles: Mutex<BTreeMap<String, Identity>>,
}

impl Identities {
    /// Roles are assumed by `own`, through the STS of the home region, which `sts` names: what it gives out is
    /// good in every region of the partition.
    pub(super) fn new(own: Identity, sts: SdkConfig) -> Self {
        let signer = SharedCredentialsProvider::new(own.clone());
        let sts = sts.into_builder().credentials_provider(signer).build();
        Self { own, sts, roles: Mutex::default() }
    }

    /// The identity of this role; without one, the gateway's own.
    pub(super) fn of(&self, role: Option<&str>) -> Identity {
        let Some(arn) = role else { return self.own.clone() };
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = roles.get(arn) {
            return identity.clone();
        }
        let role = Role { arn: arn.to_owned(), sts: self.sts.clone(), own: self.own.clone() };
        let identity = Identity::new(arn, role);
        roles.insert(arn.to_owned(), identity.clone());
        identity
    }
}

/// The SDK's chain, made anew each time: a chain reads AWS's files once, and would never see keys that were
/// changed there.
#[derive(Debug)]
pub(super) struct Chain {
    /// The home region, for the STS that the chain itself may ask.
    pub(super) region: Region,
    /// The profile of AWS's files, where it is not the default one.
    pub(super) profile: Option<String>,
}

impl Chain {
    async fn credentials(&self) -> provider::Result {
        let mut chain = DefaultCredentialsChain::builder().region(self.region.clone());
        if let Some(profile) = &self.profile {
            chain = chain.profile_name(profile);
        }
        chain.build().await.provide_credentials().await
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// A role that the gateway's own identity assumes.
struct Role {
    arn: String,
    sts: SdkConfig,
    own: Identity,
}

impl Role {
    async fn credentials(&self) -> provider::Result {
        match self.assume().await {
            // STS has perhaps refused the gateway's own credentials, which the SDK does not tell apart.
            Err(_) if self.own.renew() => self.assume().await,
            answer => answer,
        }
    }

    async fn assume(&self) -> provider::Result {
        let role = AssumeRoleProvider::builder(&self.arn).configure(&self.sts).session_name(SESSION);
        role.build().await.provide_credentials().await
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Role").field(&self.arn).finish()
    }
}
