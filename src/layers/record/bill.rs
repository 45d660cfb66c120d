//! Bill: what one attempt cost, from what Bedrock says of it.

use bedrock_inference_adapters::contract::{Content, Event, token_counts};
use bedrock_inference_proto::codec::{self, Decoded};
use bedrock_inference_proto::v1::{ApplyGuardrailResponse, ConverseStreamMetadataEvent};

use crate::call::{AttemptId, Call, Report, Request};
use crate::catalog::Target;
use crate::error::{Billed, Error};
use crate::price::{Prices, Service};

/// Reads along, and notes usage and cost in the report.
pub(super) struct Bill {
    end: BillEnd,
    prices: Prices,
    target: Target,
    asked: Service,
    /// As Bedrock reports it.
    served: Service,
}

/// What an attempt's end says of its cost.
#[derive(Debug, Clone)]
pub(super) struct BillEnd {
    report: Report,
    attempt: AttemptId,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By tokens.
    Tokens,
    /// By what a guardrail has judged.
    Units,
    /// Nothing.
    Free,
}

impl Bill {
    pub(super) fn new(call: &Call, attempt: AttemptId, target: &Target, prices: Prices) -> Self {
        let kind = match *call.request {
            Request::Converse(_) | Request::Invoke(_) => Kind::Tokens,
            Request::ApplyGuardrail(_) => Kind::Units,
            Request::CountTokens(_) => Kind::Free,
        };
        Self {
            end: BillEnd { report: call.report.clone(), attempt, kind },
            prices,
            target: target.clone(),
            asked: call.request.service(),
            served: Service::default(),
        }
    }

    /// The part that waits for the end.
    pub(super) fn end(&self) -> BillEnd {
        self.end.clone()
    }

    /// Takes note of an event that passes.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Head(head) => {
                self.served.tier.clone_from(&head.service_tier);
                self.served.latency.clone_from(&head.performance_config_latency);
            }
            Event::Metadata(metadata) => self.metadata(metadata),
            Event::Raw(body) if self.end.kind == Kind::Units => self.verdict(body),
            _ => {}
        }
    }

    fn verdict(&self, body: &Content) {
        // One that cannot be read fails the call further out.
        let Ok(Decoded { value, .. }) = codec::read::<ApplyGuardrailResponse>(body) else { return };
        if let Some(usage) = &value.usage {
            let cost = self.prices.of_guardrail(usage, &self.target.region);
            self.end.report.priced(self.end.attempt, cost);
        }
    }

    fn metadata(&mut self, metadata: &ConverseStreamMetadataEvent) {
        let Some(usage) = &metadata.usage else { return };
        let told = Service {
            tier: metadata.service_tier.as_ref().and_then(|tier| tier.r#type.clone()),
            latency: metadata.performance_config.as_ref().and_then(|config| config.latency.clone()),
        };
        let service = told.or(&self.served).or(&self.asked);
        let BillEnd { report, attempt, kind } = &self.end;
        report.usage(*attempt, usage);
        if *kind == Kind::Tokens {
            let price = self.prices.of(&self.target, &service);
            report.priced(*attempt, price.and_then(|price| price.cost(&token_counts(usage))));
        }
    }
}

impl BillEnd {
    /// The answer was read to its end.
    pub(super) fn complete(&self) {
        if self.kind != Kind::Free {
            self.report.metered(self.attempt);
        }
    }

    /// The attempt failed.
    pub(super) fn failed(&self, error: &Error) {
        if error.billed != Billed::Nothing {
            self.dropped();
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn dropped(&self) {
        if self.kind != Kind::Free {
            self.report.may_be_billed(self.attempt);
        }
    }
}
