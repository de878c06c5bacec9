() => { document.querySelector('#sweep').dispatchEvent(new CustomEvent('stopped', {bubbles: true})); }
