//! What native calls of every family have in common: the headers, and what no native body can say.

use bedrock_inference_proto::v1::ConverseStreamRequest;

use super::{CONVERSE_ONLY, InvokeHeaders, Refusals};

impl InvokeHeaders {
    /// The members of a call that InvokeModel takes as headers.
    #[must_use]
    pub fn of(request: &ConverseStreamRequest) -> Self {
        let latency = request.performance_config.as_ref().and_then(|config| config.latency.clone());
        let tier = request.service_tier.as_ref().and_then(|tier| tier.r#type.clone());
        let metadata = (!request.request_metadata.is_empty()).then_some(&request.request_metadata);
        Self {
            performance_config_latency: latency,
            service_tier: tier,
            request_metadata: metadata.and_then(|metadata| serde_json::to_string(metadata).ok()),
            ..Self::default()
        }
    }
}

impl Refusals {
    /// Notes the members that only Converse takes, whatever the family.
    pub fn refuse_converse_only(&mut self, request: &ConverseStreamRequest) {
        self.refuse_if(request.guardrail_config.is_some(), "guardrailConfig", CONVERSE_ONLY);
        self.refuse_if(!request.prompt_variables.is_empty(), "promptVariables", CONVERSE_ONLY);
        let paths = !request.additional_model_response_field_paths.is_empty();
        self.refuse_if(paths, "additionalModelResponseFieldPaths", CONVERSE_ONLY);
    }
}
