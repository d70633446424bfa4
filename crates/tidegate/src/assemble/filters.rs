//! Filters.

use std::sync::Arc;

use tidegate_config::model::{self, CompressionAlgorithm};
use tidegate_proxy::spec::{Algorithm, CompressionSpec, FilterSpec};

use super::Assembly;

impl Assembly<'_> {
    /// The filters of a proxy, which are taken out of it.
    pub(super) fn filters(&self, proxy: &mut model::Proxy) -> Vec<FilterSpec> {
        let compression = proxy.compression.take();
        let compression = compression.filter(|c| c.request.is_some() || !c.response.is_empty());
        let level = self.compression_level;
        let compression =
            compression.map(|settings| FilterSpec::Compression(Arc::new(spec(settings, level))));
        compression.into_iter().collect()
    }
}

fn spec(settings: model::Compression, level: u32) -> CompressionSpec {
    CompressionSpec {
        request: settings.request.filter(|_| settings.of_requests).map(algorithm),
        response: match settings.not_of_responses {
            true => Vec::new(),
            false => settings.response.into_iter().map(algorithm).collect(),
        },
        request_types: settings.request_types,
        response_types: settings.response_types,
        offload: settings.offload,
        request_bytes_min: settings.request_bytes_min,
        response_bytes_min: settings.response_bytes_min,
        level,
    }
}

fn algorithm(algorithm: CompressionAlgorithm) -> Algorithm {
    match algorithm {
        CompressionAlgorithm::Identity => Algorithm::Identity,
        CompressionAlgorithm::Gzip => Algorithm::Gzip,
        CompressionAlgorithm::Deflate => Algorithm::Deflate,
        CompressionAlgorithm::RawDeflate => Algorithm::RawDeflate,
    }
}
