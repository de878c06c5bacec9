"""What a restoration is worth: PSNR, SSIM, identity, baselines, faithfulness, and a photo's past."""
