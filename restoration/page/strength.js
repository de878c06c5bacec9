strength => { document.querySelector('#photo-result').style.setProperty('--strength', strength); }
