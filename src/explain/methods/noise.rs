//! Noise: normally distributed numbers that are the same on every machine and in every run.
//!
//! libtorch's generator is one for all threads, and another on a GPU. This one is SplitMix64 (Steele
//! et al. 2014, "Fast Splittable Pseudorandom Number Generators", figure 17) with the transform of
//! Box and Muller (1958); tests/golden/attributions.py has its twin.

use tch::Tensor;

use crate::explain::ExplainError;

#[derive(Debug)]
pub(super) struct Noise(u64);

impl Noise {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Noise of this standard deviation, in the shape of a tensor.
    pub(super) fn like(&mut self, tensor: &Tensor, deviation: f64) -> Result<Tensor, ExplainError> {
        let mut numbers = Vec::with_capacity(tensor.numel() + 1);
        while numbers.len() < tensor.numel() {
            numbers.extend(self.pair().map(|number| number * deviation));
        }
        numbers.truncate(tensor.numel());
        Ok(Tensor::from_slice(&numbers)
            .f_view(tensor.size().as_slice())?
            .f_to_kind(tensor.kind())?
            .f_to_device(tensor.device())?)
    }

    /// Two numbers of mean 0 and deviation 1.
    fn pair(&mut self) -> [f64; 2] {
        let length = (-2.0 * self.uniform().ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        [length * cosine, length * sine]
    }

    /// Between 0 and 1, without both.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of SplitMix64 from 1234567, as its authors' C code prints them.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut noise = Noise::new(1_234_567);
        for expected in [
            6_457_827_717_110_365_317_u64,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ] {
            let expected = (expected >> 11) as f64 / (1_u64 << 53) as f64;
            assert!((noise.uniform() - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn noise_has_the_mean_zero_and_the_wanted_deviation_and_comes_back_with_its_seed() {
        let shape = Tensor::zeros([3, 101, 101], (tch::Kind::Float, tch::Device::Cpu));
        let made = |seed| Noise::new(seed).like(&shape, 0.3).unwrap();
        assert!(made(7).mean(None).double_value(&[]).abs() < 0.01);
        assert!((made(7).std(true).double_value(&[]) - 0.3).abs() < 0.01);
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }
}
